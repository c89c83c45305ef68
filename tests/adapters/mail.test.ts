import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openMailer } from '../../adapters/mail.ts';
import { systemRandomness } from '../../adapters/system.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import { fakeClock } from '../fake-clock.ts';

const base = {
  from: 'The Shop <shop@example.org>',
  clock: fakeClock('2030-01-01T00:00:00.000Z'),
  randomness: systemRandomness,
  failureRate: 0,
};
const mail = {
  messageId: 'm1@example.org',
  to: 'Ann <ann@example.net>',
  subject: 'Your order',
  text: 'It is on its way.\n.\nBye',
};
const thrownBy = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof OutsideError ? `${error.retriable} ${error.outcome}` : String(error);
};
/** Header lines, unfolded. */
const headersOf = (message: string): string[] =>
  (message.split('\r\n\r\n')[0] ?? '').replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n');

const outbox = suite<{ folder: string }>('mail to the outbox');
outbox.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), 'outbox-'));
});
outbox.after.each(({ folder }) => rmSync(folder, { recursive: true }));

outbox('writes a whole message with our headers', async ({ folder }) => {
  await openMailer({ ...base, outboxFolder: folder }).send(mail);
  const written = readFileSync(join(folder, 'm1.eml'), 'utf8');
  const headers = headersOf(written);
  const expected = [
    'From: The Shop <shop@example.org>',
    'To: Ann <ann@example.net>',
    'Subject: Your order',
    'Message-ID: <m1@example.org>',
    'Date: Tue, 01 Jan 2030 00:00:00 +0000',
  ];
  for (const header of expected) assert.ok(headers.includes(header), `${header} in ${headers.join(' | ')}`);
  assert.match(written, 'It is on its way.');
});

outbox('the same mail again replaces its file, and leaves nothing else', async ({ folder }) => {
  const mailer = openMailer({ ...base, outboxFolder: folder });
  await Promise.all([mailer.send(mail), mailer.send(mail), mailer.send({ ...mail, messageId: '<m2>' })]);
  assert.equal(readdirSync(folder).sort(), ['m1.eml', 'm2.eml']);
  assert.ok(headersOf(readFileSync(join(folder, 'm2.eml'), 'utf8')).includes('Message-ID: <m2@example.org>'));
});

outbox('nothing written into a mail becomes a header, a recipient or a path', async ({ folder }) => {
  const mailer = openMailer({ ...base, outboxFolder: folder });
  await mailer.send({
    ...mail,
    messageId: 'a1',
    subject: 'Hello\r\nBcc: eve@example.com\r\n\r\nbody',
    to: '"Ann\r\nBcc: eve@example.com" <ann@example.net>',
  });
  const written = readFileSync(join(folder, 'a1.eml'), 'utf8');
  assert.is(
    headersOf(written).some((header) => /^bcc:/i.test(header)),
    false,
    written,
  );
  assert.is(written.split('\r\n\r\n').length, 2, 'one body');
  for (const to of [
    'ann@example.net, eve@example.com',
    'Ann <ann@example.net>, Eve <eve@example.com>',
    'All: ann@example.net, eve@example.com;',
    'ann',
    '',
    '[erased]',
  ])
    assert.is(await thrownBy(mailer.send({ ...mail, to })), 'false none', to);
  for (const messageId of ['', 'a b', 'a\r\nBcc: eve@example.com', 'a@b@c'])
    assert.is(await thrownBy(mailer.send({ ...mail, messageId })), 'false none', messageId);
  await mailer.send({ ...mail, messageId: '../../escaped@example.org' });
  assert.is(readdirSync(folder).length, 2);
  assert.ok(readdirSync(folder).some((name) => /^[0-9a-f]{64}\.eml$/.test(name)));
});

outbox('fails at its rate, and when the folder cannot be written', async ({ folder }) => {
  assert.is(
    await thrownBy(openMailer({ ...base, outboxFolder: folder, failureRate: 1 }).send(mail)),
    'true none',
  );
  assert.is(readdirSync(folder).length, 0);
  const mailer = openMailer({ ...base, outboxFolder: join(folder, 'box') });
  rmSync(join(folder, 'box'), { recursive: true });
  writeFileSync(join(folder, 'box'), '');
  assert.is(await thrownBy(mailer.send(mail)), 'true none');
});

type Step = 'greeting' | 'EHLO' | 'MAIL' | 'RCPT' | 'DATA' | 'message';
/**
 * `answers`: what the server says at a step instead of yes; 'break' ends the connection, 'silence' says
 * nothing.
 */
type SmtpWorld = {
  server: Server;
  url: string;
  answers: Partial<Record<Step, string>>;
  taken: { from: string; to: string[]; message: string }[];
  sockets: Set<Socket>;
};
const YES: Record<Step, string> = {
  greeting: '220 mail',
  EHLO: '250 mail',
  MAIL: '250 ok',
  RCPT: '250 ok',
  DATA: '354 go on',
  message: '250 taken',
};

const serve =
  (world: SmtpWorld) =>
  (socket: Socket): void => {
    world.sockets.add(socket.on('error', () => undefined));
    let buffer = '';
    let inMessage = false;
    let from = '';
    let to: string[] = [];
    const say = (step: Step): boolean => {
      const answer = world.answers[step] ?? YES[step];
      if (answer === 'break') socket.destroy();
      else if (answer !== 'silence') socket.write(`${answer}\r\n`);
      return answer === YES[step];
    };
    const command = (line: string): void => {
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === 'MAIL') from = /<(.*?)>/.exec(line)?.[1] ?? '';
      if (verb === 'RCPT') to.push(/<(.*?)>/.exec(line)?.[1] ?? '');
      if (verb === 'QUIT') socket.end('221 bye\r\n');
      else if (verb === 'DATA') inMessage = say('DATA');
      else if (verb === 'EHLO' || verb === 'MAIL' || verb === 'RCPT') say(verb);
      else socket.write('500 what?\r\n');
    };
    socket.on('data', (chunk) => {
      buffer += chunk.toString('utf8');
      for (;;) {
        const end = buffer.indexOf(inMessage ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const text = buffer.slice(0, end);
        buffer = buffer.slice(end + (inMessage ? 5 : 2));
        if (!inMessage) command(text);
        else {
          inMessage = false;
          if (say('message')) world.taken.push({ from, to, message: text.replaceAll(/^\.\./gm, '.') });
          to = [];
        }
      }
    });
    say('greeting');
  };

const smtp = suite<SmtpWorld>('mail over SMTP');
smtp.before.each(async (world) => {
  world.answers = {};
  world.taken = [];
  world.sockets = new Set();
  world.server = createServer(serve(world));
  await new Promise<void>((resolve) => world.server.listen(0, '127.0.0.1', resolve));
  world.url = `smtp://127.0.0.1:${(world.server.address() as AddressInfo).port}`;
});
smtp.after.each(async ({ server, sockets }) => {
  for (const socket of sockets) socket.destroy();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
});

smtp('hands over the message that the outbox would have', async (world) => {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  await openMailer({ ...base, outboxFolder: folder }).send(mail);
  await openMailer({ ...base, smtpUrl: world.url }).send(mail);
  const [taken, ...more] = world.taken;
  assert.equal([taken?.from, taken?.to, more], ['shop@example.org', ['ann@example.net'], []]);
  assert.is(taken?.message.trimEnd(), readFileSync(join(folder, 'm1.eml'), 'utf8').trimEnd());
  rmSync(folder, { recursive: true });
});

smtp('says what became of the mail, and whether to try again', async (world) => {
  const mailer = openMailer({ ...base, smtpUrl: world.url, timeoutMs: 300 });
  const expected: readonly (readonly [Step, string, string])[] = [
    ['greeting', '554 no service', 'true none'],
    ['greeting', '421 later', 'true none'],
    ['greeting', 'break', 'true none'],
    ['greeting', 'silence', 'true none'],
    ['MAIL', '451 later', 'true none'],
    ['MAIL', '550 not from you', 'false none'],
    ['MAIL', 'break', 'true none'],
    ['RCPT', '450 busy', 'true none'],
    ['RCPT', '550 nobody', 'false none'],
    ['RCPT', 'silence', 'true none'],
    ['DATA', '451 later', 'true none'],
    ['DATA', '554 no', 'false none'],
    ['DATA', 'break', 'true none'],
    ['message', '452 full', 'true none'],
    ['message', '550 spam', 'false none'],
    ['message', 'break', 'true unknown'],
    ['message', 'silence', 'true unknown'],
  ];
  for (const [step, answer, verdict] of expected) {
    world.answers = { [step]: answer };
    assert.is(await thrownBy(mailer.send(mail)), verdict, `${step}: ${answer}`);
  }
  assert.is(world.taken.length, 0);
});

smtp('a server that is not there took nothing', async (world) => {
  await new Promise((resolve) => world.server.close(resolve));
  assert.is(await thrownBy(openMailer({ ...base, smtpUrl: world.url }).send(mail)), 'true none');
});

outbox.run();
smtp.run();
