/**
 * A call to the outside (gateway, warehouse, mail) that did not answer with a result. Definite answers, also
 * a "no", are values. `outcome: 'unknown'` (a time-out, a broken connection) means that it may have acted:
 * look it up or repeat under the same key. `retriable: false`: the call itself is wrong and will never
 * succeed.
 */
export class OutsideError extends Error {
  override readonly name = 'OutsideError';
  readonly retriable: boolean;
  readonly outcome: 'none' | 'unknown';
  constructor(
    message: string,
    options: Readonly<{ retriable: boolean; outcome: 'none' | 'unknown'; cause?: unknown }>,
  ) {
    super(message, { cause: options.cause });
    this.retriable = options.retriable;
    this.outcome = options.outcome;
  }
}
