import type { KeyStore } from '../../ports/key-store.ts';
import { VaultUnavailable } from '../../ports/vault.ts';
import { openFile } from './file.ts';
import type { Step } from './writer.ts';

export const KEYS = `
  create table if not exists keys (subject text primary key, wrapped text not null) strict, without rowid;
  create table if not exists proof (id integer primary key check (id = 1), text text not null) strict`;

/**
 * Wrapped keys in an SQLite file of their own, so that it is backed up apart. What is removed is overwritten at once in
 * the file, and in its write-ahead log when that is written over; without the master key it is worth nothing.
 */
export const openSqliteKeyStore = ({ path }: Readonly<{ path: string }>): KeyStore => {
  const file = openFile({
    path,
    what: 'the key store',
    schema: KEYS,
    pragmas: 'secure_delete = on',
    unavailable: VaultUnavailable,
  });
  const kept = async (insert: Step, select: Step): Promise<string> => {
    const done = await file.write(insert, select);
    return String(done.ok && done.rows[0]?.[0]?.text);
  };
  return {
    async get(subject) {
      return file.get('select wrapped from keys where subject = ?', subject)?.wrapped as string | undefined;
    },
    putIfAbsent: (subject, wrapped) =>
      kept(
        {
          sql: 'insert into keys (subject, wrapped) values (?, ?) on conflict do nothing',
          values: [subject, wrapped],
        },
        { sql: 'select wrapped as text from keys where subject = ?', values: [subject] },
      ),
    async remove(subject) {
      await file.write({ sql: 'delete from keys where subject = ?', values: [subject] });
    },
    prove: (proof) =>
      kept(
        { sql: 'insert into proof (id, text) values (1, ?) on conflict do nothing', values: [proof] },
        { sql: 'select text from proof', values: [] },
      ),
    close: () => file.close(),
  };
};
