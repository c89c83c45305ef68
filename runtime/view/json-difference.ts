/** `path`: JSON pointer; both values as JSON, cut where they are long; undefined where there is none. */
export type JsonDifference = Readonly<{
  path: string;
  before: string | undefined;
  after: string | undefined;
}>;

const CHARACTERS = 200;
const text = (value: unknown): string | undefined => {
  const json = value === undefined ? undefined : JSON.stringify(value);
  return json !== undefined && json.length > CHARACTERS ? `${json.slice(0, CHARACTERS)}…` : json;
};
const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
const isTree = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/**
 * Where two JSON values differ, at most `limit` places. The order of an object's keys means nothing, a
 * missing field is undefined.
 */
export const jsonDifferences = (
  before: unknown,
  after: unknown,
  limit: number,
  path = '',
): JsonDifference[] => {
  if (Object.is(before, after)) return [];
  if (!isTree(before) || !isTree(after) || Array.isArray(before) !== Array.isArray(after))
    return [{ path, before: text(before), after: text(after) }];
  const found: JsonDifference[] = [];
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (found.length >= limit) break;
    found.push(...jsonDifferences(before[key], after[key], limit - found.length, `${path}/${escaped(key)}`));
  }
  return found;
};
