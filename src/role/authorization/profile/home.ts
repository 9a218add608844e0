/**
 * White paper Table 7-1, consumer network: it works out of the box, a manual step is fine when it is easy, proof of
 * ownership is not asked for, and nobody comes to look after it.
 */
export const homeProfile = `// Home: what you bought or let in comes in; anything else that is genuine waits for you.
@id("home-expected")
@advice("On the manifest of a purchase, or let in by a person.")
permit (principal, action == Action::"admit", resource)
when { principal.standing == "expected" || principal.standing == "approved" };

@id("home-ask")
@advice("Genuine, but nobody expected it: a person decides.")
permit (principal, action == Action::"wait", resource);

@id("home-credential")
permit (principal, action == Action::"issueCredential", resource);

@id("home-stay")
permit (principal, action == Action::"stay", resource);

@id("home-intent")
@advice("Its MUD URL is not the one that its maker signed: ask the maker before it comes in.")
forbid (principal, action in [Action::"admit", Action::"wait"], resource)
when { principal.intent == "differs" };

@id("home-quarantine")
@advice("Something is wrong with it: it stays, and reaches nothing but what repairs it.")
permit (principal, action == Action::"assignSegment", resource == Segment::"quarantine")
when { principal.posture == "suspect" || principal.intent == "differs" };

@id("home-segment")
permit (principal, action == Action::"assignSegment", resource == Segment::"devices");

@id("home-services")
permit (principal, action == Action::"useService", resource == Service::"time");

@id("home-update")
@advice("While somebody maintains it, and at no other time.")
permit (principal, action == Action::"useService", resource == Service::"update")
when { principal.lifecycle == "US.MTC" };

@id("home-maintenance")
permit (principal, action == Action::"maintain", resource);
`
