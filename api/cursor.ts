import type { Find, Found } from '../ports/read-store.ts';
import type { ViewReader } from '../runtime/view/read.ts';

/** A cursor that no list gave: answered as `invalid_cursor`. */
export class BadCursor extends Error {
  override readonly name = 'BadCursor';
  constructor(cause?: unknown) {
    super('this is no cursor of this list', { cause });
  }
}

/** What `search` finds behind a client's cursor. Throws BadCursor where it says that it is none (a RangeError). */
export const behindCursor = async <T>(cursor: string | undefined, search: () => Promise<T>): Promise<T> => {
  try {
    return await search();
  } catch (error) {
    throw cursor !== undefined && error instanceof RangeError ? new BadCursor(error) : error;
  }
};

/** A page of a view behind a client's cursor. Throws BadCursor. */
export const findPage = <D>(view: ViewReader<D>, query: Find): Promise<Found<D>> =>
  behindCursor(query.after, () => view.find(query));
