/**
 * White paper Table 7-1, enterprise network: a trained operator, many devices without anybody's hands, proof of ownership
 * wanted, and insiders among the threats.
 */
export const enterpriseProfile = `// Enterprise: by the manifest and without hands, with proof of ownership; the rest waits for an operator.
@id("enterprise-owned")
@advice("On a manifest whose declaration names this owner.")
permit (principal, action == Action::"admit", resource)
when { principal.standing == "expected" && principal.ownershipDeclared };

@id("enterprise-approved")
@advice("An operator has let it in.")
permit (principal, action == Action::"admit", resource)
when { principal.standing == "approved" };

@id("enterprise-no-suspects")
@advice("Reported as suspect: find out why before it comes in.")
forbid (principal, action == Action::"admit", resource)
when { principal.posture == "suspect" };

@id("enterprise-intent")
@advice("Its MUD URL is not the one that its maker signed: ask the maker before it comes in.")
forbid (principal, action in [Action::"admit", Action::"wait"], resource)
when { principal.intent == "differs" };

@id("enterprise-history")
@advice("By the log of its MASA another network can take it again: a person decides.")
forbid (principal, action == Action::"admit", resource)
when { principal.history == "open" && principal.standing != "approved" };

@id("enterprise-ask")
@advice("No declaration says whose it is: an operator decides.")
permit (principal, action == Action::"wait", resource)
unless { principal.posture == "suspect" };

@id("enterprise-credential")
@lifetimeDays("90")
permit (principal, action == Action::"issueCredential", resource);

@id("enterprise-stay")
permit (principal, action == Action::"stay", resource);

@id("enterprise-suspect-out")
@advice("Reported as suspect: off the network until somebody has looked at it. Its credential stays.")
forbid (principal, action == Action::"stay", resource)
when { principal.posture == "suspect" };

@id("enterprise-quarantine")
permit (principal, action == Action::"assignSegment", resource == Segment::"quarantine")
when { principal.posture == "suspect" || principal.intent == "differs" };

@id("enterprise-unowned-apart")
@advice("Let in by hand, without a declaration of ownership: apart from the others.")
permit (principal, action == Action::"assignSegment", resource == Segment::"guests")
unless { principal.ownershipDeclared };

@id("enterprise-segment")
permit (principal, action == Action::"assignSegment", resource == Segment::"devices");

@id("enterprise-time")
permit (principal, action == Action::"useService", resource == Service::"time");

@id("enterprise-update")
@advice("While somebody maintains it, and at no other time.")
permit (principal, action == Action::"useService", resource == Service::"update")
when { principal.lifecycle == "US.MTC" };

@id("enterprise-application")
@advice("Application data goes to devices whose owner is known, and to none that is being maintained.")
permit (principal, action == Action::"useService", resource == Service::"application")
when { principal.ownershipDeclared && principal.posture != "suspect" }
unless { principal.lifecycle == "US.MTC" || principal.lifecycle == "US.MTD" };

@id("enterprise-maintenance")
@advice("On working days, from 6 to 18 UTC.")
permit (principal, action == Action::"maintain", resource)
when { context.weekday <= 5 && context.hour >= 6 && context.hour < 18 };
`
