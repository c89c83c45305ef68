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

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/**
 * The order that a customer's key stands for. Its first 48 bits are the key's own time (ms) when the key is a
 * UUIDv7, else a hash: ids in order of time keep the store's writes together, which it appends several times
 * as fast as random ones.
 */
export const orderIdOf = (customerId: string, idempotencyKey: string): string => {
  const bytes = hash(['order', customerId, idempotencyKey]);
  const v7 = UUID_V7.exec(idempotencyKey);
  if (v7) Buffer.from(`${v7[1]}${v7[2]}`, 'hex').copy(bytes);
  return uuidOf(bytes);
};

/** As orderIdOf, for an order that is imported: the time is the invoice's (ms since 1970). */
export const importedOrderIdOf = (source: string, invoice: string, placedAtMs: number): string => {
  const bytes = hash(['import', source, invoice]);
  bytes.writeUIntBE(placedAtMs, 0, 6);
  return uuidOf(bytes);
};

export const eventIdOf = (stream: string, commandId: string, index: number): string =>
  derivedUuid('event', stream, commandId, String(index));
