/** Who may do what: as the environment has it. */
import { devAuthentication, jwksAuthentication } from '../api/index.ts';
import type { Environment } from './environment.ts';
import type { Parts } from './parts.ts';

export const authentication = (
  environment: Environment,
  { secret, system: { clock } }: Pick<Parts, 'secret' | 'system'>,
) => {
  const {
    AUTH,
    JWKS_URL: jwksUrl,
    JWT_ISSUER: issuer,
    JWT_AUDIENCE: audience,
    JWT_ROLE_CLAIM: roleClaim,
  } = environment;
  if (AUTH === 'jwks' && jwksUrl && issuer && audience)
    return jwksAuthentication({ jwksUrl, issuer, audience, roleClaim, clock });
  return devAuthentication({ secret: secret('dev-auth'), clock });
};
