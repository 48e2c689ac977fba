/** Passes events of an operation to one listener. */
export class Channel<T> implements AsyncIterable<T> {
  #events: T[] = [];
  #ended = false;
  #error: unknown;
  #wake: () => void = () => {};

  /** Adds an event. */
  push(event: T): void {
    this.#events.push(event);
    this.#wake();
  }

  /** Ends the events; an error is passed to the listener. */
  end(error?: unknown): void {
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const events = this.#events;
      this.#events = [];
      yield* events;
      if (this.#events.length > 0) continue;
      if (this.#ended) {
        if (this.#error !== undefined) throw this.#error;
        return;
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}
