/** What this process asks MongoDB, and whether an index answers it. */
import { Collection, FindCursor, type Document, type IndexDescriptionInfo } from 'mongodb';

/** `collection`: without what tells one time that a build was made from another. */
export type Asked = Readonly<{ collection: string; filter: Document; sort: Document }>;

const METHODS = [
  'findOne',
  'countDocuments',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
  'findOneAndUpdate',
] as const;

/** Notes all that is asked until `stop`. */
export const notingQueries = () => {
  const asked: { collection: Collection; filter: Document; sort: Document }[] = [];
  const methods = Collection.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const sorting = FindCursor.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const originals = Object.fromEntries(
    [...METHODS, 'find', 'aggregate', 'bulkWrite'].map((name) => [name, methods[name]!]),
  );
  const sort = sorting.sort!;
  const sorts = new WeakMap<object, { sort: Document }>();
  const note = (collection: unknown, filter: unknown) => {
    const one = { collection: collection as Collection, filter: (filter ?? {}) as Document, sort: {} };
    asked.push(one);
    return one;
  };
  for (const name of METHODS)
    methods[name] = function (this: unknown, ...args: unknown[]) {
      note(this, args[0]);
      return originals[name]!.apply(this, args);
    };
  methods.find = function (this: unknown, ...args: unknown[]) {
    const one = note(this, args[0]);
    const cursor = originals.find!.apply(this, args) as object;
    sorts.set(cursor, one);
    return cursor;
  };
  sorting.sort = function (this: object, ...args: unknown[]) {
    const one = sorts.get(this);
    if (one) one.sort = args[0] as Document;
    return sort.apply(this, args);
  };
  methods.aggregate = function (this: unknown, ...args: unknown[]) {
    note(this, (args[0] as Document[])[0]!.$match);
    return originals.aggregate!.apply(this, args);
  };
  methods.bulkWrite = function (this: unknown, ...args: unknown[]) {
    for (const { updateOne } of args[0] as Document[]) note(this, updateOne.filter);
    return originals.bulkWrite!.apply(this, args);
  };
  return {
    asked,
    stop(): void {
      Object.assign(methods, originals);
      sorting.sort = sort;
    },
  };
};

const EQUAL = new Set(['$eq', '$in']);
const RANGE = new Set(['$gt', '$gte', '$lt', '$lte', '$elemMatch']);
const uses = (wanted: unknown, operators: ReadonlySet<string>): boolean =>
  typeof wanted === 'object' && wanted !== null && Object.keys(wanted).some((key) => operators.has(key));
const isEqual = (wanted: unknown): boolean =>
  typeof wanted !== 'object' ||
  wanted === null ||
  uses(wanted, EQUAL) ||
  !Object.keys(wanted)[0]?.startsWith('$');

/**
 * Whether an index finds what a filter asks for, in the order asked for, without looking at what does not match: first
 * the fields that are given, then those of the order, of which the first may be bounded.
 */
export const isAnswered = (
  { filter, sort }: Pick<Asked, 'filter' | 'sort'>,
  indexes: readonly Pick<IndexDescriptionInfo, 'key'>[],
): boolean => {
  const { $or: parts, ...rest } = filter;
  // Parts that only narrow what the rest has found do not count.
  if (parts && Object.keys(rest).length === 0)
    return (parts as Document[]).every((part) => isAnswered({ filter: part, sort }, indexes));
  const given = Object.keys(rest).filter((field) => isEqual(rest[field]));
  const bounded = Object.keys(rest).filter((field) => uses(rest[field], RANGE));
  const order = Object.keys(sort).filter((field) => !given.includes(field));
  if (given.includes('_id')) return true;
  return indexes.some(({ key }) => {
    const fields = Object.keys(key);
    let at = 0;
    while (at < fields.length && given.includes(fields[at]!)) at += 1;
    if (order.length === 0) return at > 0 || bounded.includes(fields[at] ?? '');
    return order.every((field, n) => fields[at + n] === field) && (at > 0 || bounded.includes(order[0]!));
  });
};

/** Stages of a plan in which a real server looks at documents one by one, or sorts them. */
const LOOKS_AT_ALL = new Set(['COLLSCAN', 'SORT']);
export const stagesOf = (plan: unknown): readonly string[] => {
  if (typeof plan !== 'object' || plan === null) return [];
  const { stage } = plan as { stage?: unknown };
  return [...(typeof stage === 'string' ? [stage] : []), ...Object.values(plan).flatMap(stagesOf)];
};
export const looksAtAll = (plan: Document): boolean =>
  stagesOf(plan.queryPlanner?.winningPlan).some((stage) => LOOKS_AT_ALL.has(stage));
