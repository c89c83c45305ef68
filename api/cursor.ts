import type { Find, Found } from '../ports/read-store.ts';
import type { ViewReader } from '../runtime/view/read.ts';

/** A cursor that no list gave: answered as `invalid_cursor`. */
export class BadCursor extends Error {
  override readonly name = 'BadCursor';
  constructor(cause?: unknown) {
    super('this is no cursor of this list', { cause });
  }
}

/**
 * A page of a view behind a client's cursor. Throws BadCursor where the read store says that it is none (a
 * RangeError).
 */
export const findPage = async <D>(view: ViewReader<D>, query: Find): Promise<Found<D>> => {
  try {
    return await view.find(query);
  } catch (error) {
    if (query.after !== undefined && error instanceof RangeError) throw new BadCursor(error);
    throw error;
  }
};
