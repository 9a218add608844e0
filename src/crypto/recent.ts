/**
 * What was asked for lately, by name: at most twice `size` entries. Two generations: what is found in the older one moves
 * to the younger, and when that is full the older one goes. A Map from which the first entry is deleted again and again
 * would do the same and cost ten times as much, as it steps over what it has lost.
 */
export class Recent<T> {
  readonly #size: number
  #young = new Map<string, T>()
  #old = new Map<string, T>()

  constructor(size: number) {
    this.#size = size
  }

  get(name: string): T | undefined {
    const value = this.#young.get(name)
    if (value !== undefined) return value
    const older = this.#old.get(name)
    if (older !== undefined) this.set(name, older)
    return older
  }

  set(name: string, value: T): void {
    if (this.#young.size >= this.#size) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(name, value)
  }

  delete(name: string): void {
    this.#young.delete(name)
    this.#old.delete(name)
  }
}
