import type { Mail, Mailer } from '../../ports/outside/mailer.ts';

/** Keeps what was sent, each message once. */
export const memoryMailer = (): Mailer & Readonly<{ sent: ReadonlyMap<string, Mail> }> => {
  const sent = new Map<string, Mail>();
  return { sent, send: async (mail) => void sent.set(mail.messageId, mail) };
};
