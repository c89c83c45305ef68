/** Values of JSON as documents, and back: keys that MongoDB gives a meaning of its own are written another way. */

/** A dot makes a path, a dollar an operator, and a zero byte ends a key. */
const MEANINGFUL = /[%.$\0]/g;
const escaped = (key: string): string =>
  key.replace(
    MEANINGFUL,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
  );
const plain = (key: string): string =>
  key.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

const renamed = (value: unknown, rename: (key: string) => string): unknown => {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [rename(key), renamed(item, rename)]));
};

/** What JSON keeps of `value`, as a document may hold it. */
export const toStored = (value: unknown): unknown => renamed(JSON.parse(JSON.stringify(value)), escaped);
export const fromStored = (value: unknown): unknown => renamed(value, plain);
