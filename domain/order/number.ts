/**
 * The number that people read out: 12 digits and letters of Crockford's base 32 (no I, L, O, U), derived from
 * the order's id.
 */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The last 60 of the id's 62 hashed bits; the first 48 are its time and would make neighbours look alike. */
export const orderNumber = (orderId: string): string => {
  let bits = BigInt(`0x${orderId.replaceAll('-', '').slice(-15)}`);
  let text = '';
  for (let index = 0; index < 12; index++) {
    text = (ALPHABET[Number(bits & 31n)] ?? '') + text;
    bits >>= 5n;
  }
  return text;
};
