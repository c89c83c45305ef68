/** The environment, read and checked once before anything starts. */
import { z } from 'zod';

const rate = z.coerce.number().min(0, 'must be between 0 and 1').max(1, 'must be between 0 and 1');
const whole = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.number().min(min).max(max));
const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`,
    );
const prefix = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be of letters, digits, dots, dashes and underscores');
const secret = z.string().min(16, 'must be at least 16 characters');

/** What the mailer takes as one sender; a name with commas in it stands in quotes. */
const SENDER = /^((?:"[^"\r\n]*"|[^<>@,;:"\r\n]*) *<[^\s<>@,;:]+@[^\s<>@,;:]+>|[^\s<>@,;:]+@[^\s<>@,;:]+)$/;
/** Variables whose value must not get into a log, not even when it is wrong. */
const SECRET = /SECRET|KEY|PASSWORD|^(SMTP|EVENT_STORE|MONGODB)_URL$/;
const ROLE = /^(all|api|project|forward|simulate|consume(:[a-z-]+)?)$/;
/** Hosts come in lists, which no URL parser takes. */
const EVENT_STORE =
  /^esdb(\+discover)?:\/\/([^\s@/?]*@)?[^\s:,@/?]+(:\d+)?(,[^\s:,@/?]+(:\d+)?)*\/?(\?\S*)?$/;
const MONGODB =
  /^mongodb(\+srv)?:\/\/([^\s@/?]*@)?[^\s:,@/?]+(:\d+)?(,[^\s:,@/?]+(:\d+)?)*(\/[^\s/?.$"]{0,57})?(\?\S*)?$/;
const MONGODB_EXAMPLE = 'must be a URL such as mongodb://user:password@host:27017/orderfold?tls=true';
const BROKERS = /^[^\s:,/]+:\d+(,[^\s:,/]+:\d+)*$/;
/** A stream never leaves its partition: how many a topic has is said once. */
const PARTITIONS = 8;

const Variables = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: whole(0, 65_535).default(3000),
  DATA_DIR: z.string().min(1).default('./data'),
  ROLES: z
    .string()
    .default('all')
    .transform((text) => text.split(',').map((role) => role.trim()))
    .refine(
      (roles) => roles.every((role) => ROLE.test(role)),
      'must list of all, api, project, forward, consume, consume:NAME, simulate',
    ),
  SEED: z.enum(['demo', 'none'], 'must be demo or none').default('demo'),
  LOG_LEVEL: z.enum(['error', 'warn', 'info'], 'must be error, warn or info').default('warn'),
  AUTH: z.enum(['dev', 'jwks'], 'must be dev or jwks').default('dev'),
  JWKS_URL: url('https:', 'http:').optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: z.string().min(1).optional(),
  JWT_ROLE_CLAIM: z.string().min(1).default('role'),
  CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as GBP')
    .default('GBP'),
  SHOP_TIMEZONE: z
    .string()
    .refine((zone) => {
      try {
        return Boolean(new Intl.DateTimeFormat('en', { timeZone: zone }));
      } catch {
        return false;
      }
    }, 'must be an IANA time zone such as Europe/London')
    .default('Europe/London'),
  TAX_RATE: rate.default(0.2),
  SHIPPING_FLAT_MINOR: whole(0, 1e9).default(495),
  SHIPPING_FREE_FROM_MINOR: whole(0, 1e12).default(5000),
  REBUILD_SHARE: z.coerce
    .number('must be a share such as 0.25')
    .gt(0, 'must be more than 0')
    .max(1, 'must be at most 1')
    .default(0.25),
  LIVE_STREAMS: whole(1, 100_000).default(1_000),
  LIVE_STREAMS_PER_CLIENT: whole(1, 100_000).default(20),
  LEASE_MS: whole(100, 3_600_000).default(5_000),
  EVENT_STORE_URL: z
    .string()
    .regex(EVENT_STORE, 'must be a URL such as esdb://user:password@host:2113?tls=true')
    .optional(),
  EVENT_STORE_PREFIX: prefix.optional(),
  MONGODB_URL: z.string().regex(MONGODB, MONGODB_EXAMPLE).optional(),
  MONGODB_KEYS_URL: z.string().regex(MONGODB, MONGODB_EXAMPLE).optional(),
  KAFKA_BROKERS: z
    .string()
    .regex(BROKERS, 'must list brokers as host:port, with commas between them')
    .transform((text) => text.split(','))
    .optional(),
  KAFKA_SSL: z
    .enum(['true', 'false'], 'must be true or false')
    .default('false')
    .transform((text) => text === 'true'),
  KAFKA_SASL_USERNAME: z.string().min(1).optional(),
  KAFKA_SASL_PASSWORD: z.string().min(1).optional(),
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'must be plain, scram-sha-256 or scram-sha-512')
    .default('scram-sha-512'),
  KAFKA_PARTITIONS: whole(1, 1_000).default(PARTITIONS),
  KAFKA_RETENTION_MS: whole(60_000, Number.MAX_SAFE_INTEGER).optional(),
  KAFKA_PREFIX: prefix.optional(),
  ORDER_EXPIRY_MS: whole(1, 1e11).default(1_800_000),
  MASTER_KEY: z.string().optional(),
  MASTER_KEY_FILE: z.string().min(1).optional(),
  WAREHOUSE_SECRET: secret.optional(),
  PAYMENT_WEBHOOK_SECRET: secret.optional(),
  SMTP_URL: url('smtp:', 'smtps:').optional(),
  MAIL_FROM: z
    .string()
    .regex(SENDER, 'must be one address, or a name with one: Shop <orders@example.org>')
    .default('orderfold <orders@localhost>'),
  ANALYTICS_URL: url('https:', 'http:').optional(),
  SIM_PORT: whole(0, 65_535).default(3100),
  SIM_URL: url('https:', 'http:').optional(),
  SIM_PAYMENT_LATENCY_MS: whole(0, 3_600_000).default(50),
  SIM_PAYMENT_DECLINE_RATE: rate.default(0),
  SIM_PAYMENT_FAILURE_RATE: rate.default(0),
  SIM_PAYMENT_UNKNOWN_RATE: rate.default(0),
  SIM_WAREHOUSE_LATENCY_MS: whole(0, 1e9).default(3_000),
  SIM_WAREHOUSE_FAILURE_RATE: rate.default(0),
  SIM_MAIL_FAILURE_RATE: rate.default(0),
});
type Variables = z.infer<typeof Variables>;
export type Environment = Readonly<Variables>;

/** A variable that is wrong or misses its partner; the message names it and says what it should be. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/** Reads `variables` (process.env); an empty one counts as unset. Throws EnvironmentError. */
export const readEnvironment = (variables: Readonly<Record<string, string | undefined>>): Environment => {
  const given = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  );
  if (given.WAREHOUSE_URL !== undefined)
    throw new EnvironmentError(
      'WAREHOUSE_URL is set, but this version has no adapter for an HTTP warehouse; unset it.',
    );
  const parsed = Variables.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0]);
    throw new EnvironmentError(
      `${name} ${issue?.message}${SECRET.test(name) ? '' : ` (it is ${JSON.stringify(given[name])})`}.`,
    );
  }
  const environment = parsed.data;
  if (environment.AUTH === 'jwks')
    for (const name of ['JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'] as const)
      if (environment[name] === undefined) throw new EnvironmentError(`AUTH=jwks needs ${name}.`);
  if (environment.AUTH === 'dev') {
    if (!LOOPBACK.test(environment.HOST))
      throw new EnvironmentError(
        `HOST=${environment.HOST} would open dev authentication, in which anyone is an operator, to the network; set AUTH=jwks or a loopback HOST.`,
      );
    if (given.NODE_ENV === 'production')
      throw new EnvironmentError(
        'NODE_ENV=production needs AUTH=jwks: with dev authentication anyone is an operator.',
      );
  }
  if (environment.EVENT_STORE_URL === undefined && environment.EVENT_STORE_PREFIX !== undefined)
    throw new EnvironmentError('EVENT_STORE_PREFIX needs EVENT_STORE_URL.');
  if (environment.MONGODB_URL === undefined && environment.MONGODB_KEYS_URL !== undefined)
    throw new EnvironmentError('MONGODB_KEYS_URL needs MONGODB_URL.');
  if (environment.KAFKA_BROKERS === undefined) {
    const lonely = Object.keys(given).find((name) => name.startsWith('KAFKA_'));
    if (lonely !== undefined) throw new EnvironmentError(`${lonely} needs KAFKA_BROKERS.`);
    if (environment.ROLES.includes('forward'))
      throw new EnvironmentError('ROLES has forward, which fills Kafka: it needs KAFKA_BROKERS.');
  }
  if (environment.ROLES.includes('simulate')) {
    if (environment.ROLES.length > 1)
      throw new EnvironmentError(
        'ROLES has simulate beside others: it is a process of its own, and theirs is SIM_URL.',
      );
    if (environment.SIM_URL !== undefined)
      throw new EnvironmentError(
        'SIM_URL is for the processes that call the one with the role simulate; unset it here.',
      );
  }
  for (const [name, other] of [
    ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
    ['KAFKA_SASL_PASSWORD', 'KAFKA_SASL_USERNAME'],
  ] as const)
    if (environment[name] !== undefined && environment[other] === undefined)
      throw new EnvironmentError(`${name} needs ${other}.`);
  if (environment.MASTER_KEY !== undefined && environment.MASTER_KEY_FILE !== undefined)
    throw new EnvironmentError('MASTER_KEY and MASTER_KEY_FILE are both set; set one.');
  return environment;
};
