/** Who asks: bearer tokens (JWT), signed by ourselves for development or by the shop's identity provider. */
import { createRemoteJWKSet, errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../ports/system.ts';

/** Roles that a token can have; 'system' is nobody from outside. */
export const TOKEN_ROLES = ['customer', 'operator', 'auditor'] as const;
export type TokenRole = (typeof TOKEN_ROLES)[number];

/**
 * `id` becomes the actor of what is commanded; `customerId` equals it for customers and is missing for
 * others.
 */
export type Principal = Readonly<{ id: string; role: TokenRole; customerId?: string }>;

export type Authentication = Readonly<{
  /**
   * Throws InvalidToken, or AuthenticationUnavailable when the keys cannot be had. A token seen before
   * answers without a promise.
   */
  verify(token: string): Principal | Promise<Principal>;
  /** Makes a token; only where anyone may have one. */
  session?(asked: Readonly<{ role: TokenRole; customerId?: string }>): Promise<string>;
}>;

export class InvalidToken extends Error {
  override readonly name = 'InvalidToken';
}
export class AuthenticationUnavailable extends Error {
  override readonly name = 'AuthenticationUnavailable';
  readonly retriable = true;
}

const LIFETIME_SECONDS = 30 * 24 * 3600;
const ISSUER = 'orderfold-dev';
const CACHED_TOKENS = 10_000;
const ID_CHARACTERS = 200;

const isRole = (role: unknown): role is TokenRole => TOKEN_ROLES.some((known) => known === role);

const principalOf = (payload: JWTPayload, roleClaim: string): Principal => {
  const { sub } = payload;
  if (!sub || sub.length > ID_CHARACTERS)
    throw new InvalidToken(`The token's subject must have 1 to ${ID_CHARACTERS} characters.`);
  const claim = Object.hasOwn(payload, roleClaim) ? payload[roleClaim] : undefined;
  const role = (Array.isArray(claim) ? claim : [claim]).find(isRole);
  if (!role) throw new InvalidToken(`The token's claim ${roleClaim} names no role of orderfold.`);
  return role === 'customer' ? { id: sub, role, customerId: sub } : { id: sub, role };
};

/**
 * Verifying costs a hop to another thread each time, so tokens that were good stay good in memory until they
 * expire.
 */
const remembering = (
  clock: Clock,
  verify: (token: string) => Promise<Readonly<{ principal: Principal; untilMs: number }>>,
): Authentication['verify'] => {
  const known = new LRUCache<string, Readonly<{ principal: Principal; untilMs: number }>>({
    max: CACHED_TOKENS,
  });
  const anew = async (token: string): Promise<Principal> => {
    const verified = await verify(token);
    known.set(token, verified);
    return verified.principal;
  };
  return (token) => {
    const found = known.get(token);
    return found && found.untilMs > clock.now().getTime() ? found.principal : anew(token);
  };
};

const untilMs = ({ exp }: JWTPayload): number => (exp ?? 0) * 1000;
const invalid = (error: unknown): InvalidToken => {
  if (error instanceof InvalidToken) return error;
  return new InvalidToken(
    error instanceof errors.JWTExpired
      ? 'The token has expired; get a new one.'
      : 'The token is not valid here.',
  );
};

/**
 * Tokens that this server signs itself (HS256, 30 days): anyone can be anyone, which is what development
 * needs.
 */
export const devAuthentication = ({
  secret,
  clock,
}: Readonly<{ secret: Uint8Array; clock: Clock }>): Required<Authentication> => ({
  verify: remembering(clock, async (token) => {
    try {
      const options = {
        issuer: ISSUER,
        algorithms: ['HS256'],
        currentDate: clock.now(),
        requiredClaims: ['exp'],
      };
      const { payload } = await jwtVerify(token, secret, options);
      return { principal: principalOf(payload, 'role'), untilMs: untilMs(payload) };
    } catch (error) {
      throw invalid(error);
    }
  }),
  session({ role, customerId }) {
    const now = Math.floor(clock.now().getTime() / 1000);
    return new SignJWT({ role })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(ISSUER)
      .setSubject(customerId ?? role)
      .setIssuedAt(now)
      .setExpirationTime(now + LIFETIME_SECONDS)
      .sign(secret);
  },
});

/** What jose throws when it is the key set that cannot be had, and not the token that is wrong. */
const isKeySetAway = (error: unknown): boolean =>
  !(error instanceof errors.JOSEError) ||
  error instanceof errors.JWKSTimeout ||
  error instanceof errors.JWKSInvalid ||
  error.code === 'ERR_JOSE_GENERIC';

/**
 * Tokens of an identity provider, verified against its published keys; `roleClaim` holds a role or a list of
 * them.
 */
export const jwksAuthentication = ({
  jwksUrl,
  issuer,
  audience,
  roleClaim,
  clock,
}: Readonly<{
  jwksUrl: string;
  issuer: string;
  audience: string;
  roleClaim: string;
  clock: Clock;
}>): Authentication => {
  const keys = createRemoteJWKSet(new URL(jwksUrl));
  return {
    verify: remembering(clock, async (token) => {
      try {
        const options = {
          issuer,
          audience,
          algorithms: [
            'RS256',
            'RS384',
            'RS512',
            'PS256',
            'PS384',
            'PS512',
            'ES256',
            'ES384',
            'ES512',
            'EdDSA',
            'Ed25519',
          ],
          currentDate: clock.now(),
          requiredClaims: ['exp'],
        };
        const { payload } = await jwtVerify(token, keys, options);
        return { principal: principalOf(payload, roleClaim), untilMs: untilMs(payload) };
      } catch (error) {
        if (error instanceof InvalidToken) throw error;
        if (isKeySetAway(error))
          throw new AuthenticationUnavailable("the identity provider's keys cannot be had", { cause: error });
        throw invalid(error);
      }
    }),
  };
};
