/** The highest token of each lease: kept in the document that is written where it can be, else in one of its own. */
import type { Collection, Document, UpdateFilter } from 'mongodb';
import type { Fence } from '../../ports/lease.ts';
import { unlessThere } from './connection.ts';

/** The key of a lease's token; dots would make a path of it. */
const keyOf = ({ lease }: Fence): string => encodeURIComponent(lease).replaceAll('.', '%2E');
/** The field that holds them in a document. */
export const FENCES = 'fences';
const fieldOf = (fence: Fence): string => `${FENCES}.${keyOf(fence)}`;

/** Whether the document has seen this very token. */
export const isKept = ({ fences }: Readonly<{ fences?: Record<string, number> }>, fence: Fence): boolean =>
  fences?.[keyOf(fence)] === fence.token;
/** Matches a document that has seen no higher token. */
export const notPast = (fence: Fence | undefined): Document =>
  fence ? { [fieldOf(fence)]: { $not: { $gt: fence.token } } } : {};
/** Keeps the token in the document. */
export const keeping = (fence: Fence | undefined): Pick<UpdateFilter<Document>, '$max'> =>
  fence ? { $max: { [fieldOf(fence)]: fence.token } } : {};

export type FenceDocument = Readonly<{ _id: string; token: number }>;

/** Keeps the token; false when a higher one has been seen. */
export const passes = async (
  fences: Collection<FenceDocument>,
  fence: Fence | undefined,
): Promise<boolean> => {
  if (!fence) return true;
  const { lease, token } = fence;
  const kept = fences.updateOne(
    { _id: lease, token: { $lte: token } },
    { $set: { token } },
    { upsert: true },
  );
  return (await unlessThere(kept)) !== undefined;
};
