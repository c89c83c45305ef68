/** Ids that are derived, so that a repeat lands where the first try did. */
import { hash as digest } from 'node:crypto';

/** Lengths keep ('ab','c') apart from ('a','bc'). */
const hash = (parts: readonly string[]): Buffer =>
  digest('sha256', parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join(''), 'buffer');

const uuidOf = (bytes: Buffer): string => {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

/** A UUID (version 8: our own layout, RFC 9562) that is always the same for the same parts. */
export const derivedUuid = (...parts: readonly string[]): string => uuidOf(hash(parts));

/**
 * The same with a time (ms since 1970) as its first 48 bits: ids in order of time keep the store's writes
 * together, which it appends several times as fast as random ones.
 */
export const derivedUuidAt = (atMs: number, ...parts: readonly string[]): string => {
  const bytes = hash(parts);
  bytes.writeUIntBE(atMs, 0, 6);
  return uuidOf(bytes);
};

/**
 * Of the event that a command leads to at a place of a stream. The place is in it: an aggregate that does not remember a
 * command may carry it out again with another effect, and who handles events tells them apart by their ids. So is what it
 * says (`content`): a store takes an append of the same ids for one that it has, and of two processes that carry out one
 * command at once, each at its own time, the second must hear that something else is there.
 */
export const eventIdOf = (stream: string, commandId: string, revision: number, content: string): string =>
  derivedUuid('event', stream, commandId, String(revision), content);
