/**
 * `messageId` is derived from what the mail is about, so that a repeat can be recognised by who receives it.
 */
export type Mail = Readonly<{ messageId: string; to: string; subject: string; text: string }>;
export interface Mailer {
  /** Resolves when the mail was handed over; throws OutsideError. */
  send(mail: Mail): Promise<void>;
}
