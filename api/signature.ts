/**
 * Signed news from outside: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`, the scheme that Stripe made
 * common.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const TOLERANCE_SECONDS = 300;
const MOST_SIGNATURES = 10;

export const signatureOf = (secret: string, unixSeconds: number | string, body: string | Buffer): string =>
  createHmac('sha256', secret).update(`${unixSeconds}.`).update(body).digest('hex');

/**
 * Several v1 are allowed, while a secret is being changed. 'stale': rightly signed, but more than 5 minutes
 * from `now`, so that what was overheard is worth nothing later.
 */
export const checkSignature = (
  header: string,
  body: Buffer,
  secret: string,
  now: Date,
): 'good' | 'bad' | 'stale' => {
  const parts = header.split(',').map((part) => part.trim());
  const seconds = parts.find((part) => part.startsWith('t='))?.slice(2) ?? '';
  if (!/^\d{1,12}$/.test(seconds)) return 'bad';
  const wanted = Buffer.from(signatureOf(secret, seconds, body), 'hex');
  const given = parts
    .filter((part) => part.startsWith('v1='))
    .slice(0, MOST_SIGNATURES)
    .map((part) => Buffer.from(part.slice(3), 'hex'));
  if (!given.some((signature) => signature.length === wanted.length && timingSafeEqual(signature, wanted)))
    return 'bad';
  return Math.abs(now.getTime() / 1000 - Number(seconds)) > TOLERANCE_SECONDS ? 'stale' : 'good';
};
