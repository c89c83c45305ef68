/** The hash chain of a stream: each event carries the hash of the one before it. */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { EventEnvelope } from '../../domain/kernel.ts';

/** `previousHash` of a stream's first event. */
export const NO_HASH = '0'.repeat(64);

/**
 * SHA-256 (hex) over the canonical JSON (RFC 8785) of the event as it is stored. The position is left out: it
 * is the store's, and another engine that holds the same stream gives another one.
 */
export const hashOf = ({ id, type, schema, stream, revision, data, meta }: EventEnvelope): string =>
  createHash('sha256')
    .update(canonicalize({ id, type, schema, stream, revision, data, meta }) ?? '')
    .digest('hex');
