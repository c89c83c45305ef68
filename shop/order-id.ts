/** Which order a checkout, or an imported invoice, is: a repeat finds its own stream. */
import { derivedUuid, derivedUuidAt } from '../runtime/command/identity.ts';

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** The order that a customer's key stands for, in order of the key's own time when it is a UUIDv7. */
export const orderIdOf = (customerId: string, idempotencyKey: string): string => {
  const v7 = UUID_V7.exec(idempotencyKey);
  const parts = ['order', customerId, idempotencyKey];
  return v7 ? derivedUuidAt(parseInt(`${v7[1]}${v7[2]}`, 16), ...parts) : derivedUuid(...parts);
};

/** As orderIdOf, for an order that is imported, in order of the invoice's time (ms since 1970). */
export const importedOrderIdOf = (source: string, invoice: string, placedAtMs: number): string =>
  derivedUuidAt(placedAtMs, 'import', source, invoice);
