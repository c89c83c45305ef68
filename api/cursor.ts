/** A cursor that no list gave: answered as `invalid_cursor`, like the read stores' own. */
export class BadCursor extends Error {
  override readonly name = 'BadCursor';
  constructor() {
    super('this is no cursor of this list');
  }
}
