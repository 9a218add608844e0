/** The members that have a value; for a world where an absent member and an undefined one are two things. */
export function defined<T extends object>(members: T): { [M in keyof T]: Exclude<T[M], undefined> } {
  const present: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(members)) if (value !== undefined) present[name] = value
  return present as { [M in keyof T]: Exclude<T[M], undefined> }
}
