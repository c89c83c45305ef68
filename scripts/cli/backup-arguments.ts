/** What `npm run backup` and `npm run restore` take, and say. */
import { print, readArguments, WrongUse } from './command-line.ts';

export type BackupArguments = Readonly<{ folder: string; keys: string | undefined; json: boolean }>;

/** Undefined once `help` was asked for and printed. Throws WrongUse, with `missing`, unless one folder is given. */
export const readBackupArguments = (help: string, missing: string): BackupArguments | undefined => {
  const { values, positionals } = readArguments({
    allowPositionals: true,
    options: { keys: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  } as const);
  if (values.help) {
    print(help);
    return undefined;
  }
  const [folder, ...more] = positionals;
  if (folder === undefined || more.length > 0) throw new WrongUse(missing);
  return { folder, keys: values.keys, json: values.json === true };
};

/** What a backup holds, as the beginning of a sentence; `events` null: they are in a server of their own. */
export const contentOf = (events: number | null): string =>
  events === null
    ? 'What goes with the events'
    : `${events.toLocaleString('en')} events and what goes with them`;
