/**
 * What policies can speak about, as Cedar reads it. docs/policy.md explains each line, and a test holds the two together.
 * Every name is also what `factsOf` puts there: a policy that passes the check finds what it asks for.
 */
export const policySchema = `// Who and what.
entity Site;
entity Network;
entity Segment;
entity Service;
entity Owner;
entity Manufacturer;
entity Model;
entity Device in [Model, Manufacturer] = {
  // As the label and the birth certificate have it.
  serial: String,
  // Name under which this site trusts the manufacturer.
  manufacturer: String,
  // As the manifest has it; empty where none names it.
  model: String,
  // "expected" on a manifest, "approved" by a person, or "waiting" for one.
  standing: String,
  // Whether a declaration names an owner: this site's, or one that lets it onboard. Else it is refused before any policy.
  ownershipDeclared: Bool,
  owner?: Owner,
  // State of the device's life, as US.INS or US.COM.
  lifecycle: String,
  // "unknown", "good" or "suspect".
  posture: String,
  // Of its MUD URL: "none", "bound" to it by its maker's signature, "unbound" on its own word, or "differs".
  intent: String,
  // Of the log of its MASA, which is read when a policy asks for this: "unasked", "unavailable", "clean", "foreign" where
  // other networks had it, "open" where one of them can take it again.
  history: String,
};

// When and where.
type Circumstance = {
  site: Site,
  // "brski" and the protocols to come.
  protocol: String,
  // Seconds since 1970.
  now: Long,
  // 0 to 23, UTC.
  hour: Long,
  // 1 is Monday, 7 is Sunday, UTC.
  weekday: Long,
};

// May it come in? May it wait for a person, where it may not? May it stay?
action admit, wait, stay appliesTo { principal: Device, resource: Network, context: Circumstance };
// May it have a credential? @lifetimeDays("90") says for how long: of several the shortest.
action issueCredential appliesTo { principal: Device, resource: Network, context: Circumstance };
// Where it belongs: of several segments the one whose policy stands first.
action assignSegment appliesTo { principal: Device, resource: Segment, context: Circumstance };
// What it may use.
action useService appliesTo { principal: Device, resource: Service, context: Circumstance };
// May somebody work on it now?
action maintain appliesTo { principal: Device, resource: Network, context: Circumstance };
`
