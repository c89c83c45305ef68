/** Mail through nodemailer: into an outbox folder, or over SMTP. Both send the very same message. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createTransport } from 'nodemailer';
import parseAddresses from 'nodemailer/lib/addressparser';
import SmtpTransport from 'nodemailer/lib/smtp-transport';
import type { Mail, Mailer } from '../ports/outside/mailer.ts';
import { OutsideError } from '../ports/outside/outside-error.ts';
import type { Clock, Randomness } from '../ports/system.ts';

export type MailerOptions = Readonly<{
  /** The sender, `Name <address>` or an address alone. */
  from: string;
  /** For the `Date` header. */
  clock: Clock;
  randomness: Randomness;
  /** Share of the mails, 0 to 1, that fail without being sent. */
  failureRate: number;
  /** How long one step of an SMTP session (connect, greeting, silence) may take. */
  timeoutMs?: number;
}> &
  (
    | Readonly<{ /** Where `.eml` files go. */ outboxFolder: string; smtpUrl?: undefined }>
    | Readonly<{
        /** `smtp://user:password@host:port`, or `smtps://`. */ smtpUrl: string;
        outboxFolder?: undefined;
      }>
  );

type Composed = Readonly<{ messageId: string; from: string; to: string; bytes: Buffer }>;
type Deliver = (mail: Composed) => Promise<void>;

const TIMEOUT_MS = 15_000;
const MESSAGE_ID = /^<?([^\s<>@]{1,200})(?:@([^\s<>@]{1,200}))?>?$/;

const wrong = (sentence: string, cause?: unknown): OutsideError =>
  new OutsideError(sentence, { retriable: false, outcome: 'none', cause });

/** The one address in `text`: a list, or a group, would send the mail to more than it was meant for. */
const addressIn = (text: string): string => {
  const [entry, ...more] = parseAddresses(text);
  const address = entry && !('group' in entry && entry.group) ? entry.address : undefined;
  if (!address || more.length > 0 || /[\r\n]/.test(address) || !/^[^@]+@[^@]+$/.test(address))
    throw wrong('a mail needs exactly one address');
  return address;
};

const composer = ({ from, clock }: Pick<MailerOptions, 'from' | 'clock'>) => {
  const sender = addressIn(from);
  const transport = createTransport({
    streamTransport: true,
    buffer: true,
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return async ({ messageId: id, to, subject, text }: Mail): Promise<Composed> => {
    const [, local, domain = sender.slice(sender.indexOf('@') + 1)] = MESSAGE_ID.exec(id) ?? [];
    if (local === undefined) throw wrong('a message id must have the form local@domain');
    const messageId = `${local}@${domain}`;
    const recipient = addressIn(to);
    // nodemailer folds and encodes what it writes into headers, line breaks included.
    const { message } = await transport
      .sendMail({ messageId: `<${messageId}>`, from, to, subject, text, date: clock.now() })
      .catch((error: unknown) => {
        throw wrong('the mail cannot be composed', error);
      });
    if (!Buffer.isBuffer(message)) throw new Error('nodemailer was asked for a buffer and gave a stream');
    return { messageId, from: sender, to: recipient, bytes: message };
  };
};

/**
 * `<folder>/<local part of the message id>.eml`, whole or not at all; the same mail again replaces its file.
 */
const toOutbox = (folder: string, randomness: Randomness): Deliver => {
  mkdirSync(folder, { recursive: true });
  return async ({ messageId, bytes }) => {
    const local = messageId.slice(0, messageId.indexOf('@'));
    const name = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(local)
      ? local
      : createHash('sha256').update(local).digest('hex');
    const temporary = join(folder, `.${name}.${randomness.uuid()}.tmp`);
    try {
      await writeFile(temporary, bytes);
      await rename(temporary, join(folder, `${name}.eml`));
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw new OutsideError('the outbox cannot be written', { retriable: true, outcome: 'none', cause });
    }
  };
};

type SmtpFailure = Readonly<{ code?: string; responseCode?: number | false; message: string }>;

/**
 * `handedOver`: the server had asked for the message itself, so that without its answer it may have taken it.
 */
const smtpError = (error: SmtpFailure, handedOver: boolean): OutsideError => {
  const { code, responseCode } = error;
  const about = code === 'EENVELOPE' || code === 'EMESSAGE';
  const sentence = `the mail server did not take the mail (${[code, responseCode].filter(Boolean).join(' ')})`;
  if (responseCode) {
    // A refusal to talk to us at all (credentials, a greeting of 554) says nothing of this mail and may be
    // mended.
    const final = about && responseCode >= 500;
    return new OutsideError(sentence, { retriable: !final, outcome: 'none', cause: error });
  }
  if (about && !handedOver) return wrong(sentence, error);
  return new OutsideError(sentence, {
    retriable: true,
    outcome: handedOver ? 'unknown' : 'none',
    cause: error,
  });
};

const overSmtp = (url: string, timeoutMs: number): Deliver => {
  const transport = new SmtpTransport({
    url,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
  });
  return ({ messageId, from, to, bytes }) =>
    new Promise((resolve, reject) => {
      let handedOver = false;
      const message = {
        getEnvelope: () => ({ from, to: [to] }),
        messageId: () => `<${messageId}>`,
        // Read only once the server has agreed to the envelope and to DATA: that is how we know.
        createReadStream: () =>
          new Readable({
            read() {
              handedOver = true;
              this.push(bytes);
              this.push(null);
            },
          }),
      };
      const mail = { data: {}, message } as unknown as Parameters<typeof transport.send>[0];
      transport.send(mail, (error) =>
        error ? reject(smtpError(error as SmtpFailure, handedOver)) : resolve(),
      );
    });
};

/** The same mail again has the same Message-ID: who receives it may tell, SMTP does not promise to. */
export const openMailer = (options: MailerOptions): Mailer => {
  const compose = composer(options);
  const deliver =
    options.smtpUrl === undefined
      ? toOutbox(options.outboxFolder, options.randomness)
      : overSmtp(options.smtpUrl, options.timeoutMs ?? TIMEOUT_MS);
  return {
    async send(mail) {
      const composed = await compose(mail);
      if (options.randomness.fraction() < options.failureRate)
        throw new OutsideError('the simulated mail server is out of order', {
          retriable: true,
          outcome: 'none',
        });
      await deliver(composed);
    },
  };
};
