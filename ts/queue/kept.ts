/** Values that are made once and kept while they are among the last that were used. Each takes a share of the room. */
export class Kept<T> {
  readonly #values = new Map<string, { readonly value: Promise<T>; readonly share: number }>();

  /** The value of a name; it is made where it is not kept, and made again after a failure. `share` of the room is what it takes, all of it being 1. */
  get(name: string, share: number, make: () => Promise<T>): Promise<T> {
    const known = this.#values.get(name);
    // The last one that was used comes last.
    this.#values.delete(name);
    this.#makeRoom(1 - share);
    const value = known?.value ?? make();
    this.#values.set(name, { value, share });
    value.catch(() => {
      if (this.#values.get(name)?.value === value) this.#values.delete(name);
    });
    return value;
  }

  /** Lets go of those that were not used for longest, until the others take at most `room`. */
  #makeRoom(room: number): void {
    let taken = 0;
    for (const { share } of this.#values.values()) taken += share;
    for (const [name, { share }] of this.#values) {
      if (taken <= room + 1e-9) return;
      this.#values.delete(name);
      taken -= share;
    }
  }
}
