/** A store whose events have moved to another one: it takes no more, from whichever process. */
import { openConnection } from './driver.ts';
import type { SqliteFile } from './file.ts';

export const MOVED = 'create table if not exists moved (place text not null) strict';

/** Where its events have moved to, in words. */
export const movedTo = (file: SqliteFile): string | undefined =>
  file.get('select place from moved')?.place as string | undefined;

const change = (path: string, run: (exec: (sql: string, ...values: string[]) => void) => void): void => {
  const connection = openConnection(path);
  try {
    connection.exec('pragma synchronous = full; begin immediate');
    run((sql, ...values) => void connection.prepare(sql).run(...values));
    connection.exec('commit');
  } finally {
    connection.close();
  }
};

/** From when it returns nothing is appended any more. A trigger, since it holds for processes that run already. */
export const closeStore = (path: string, place: string): void =>
  change(path, (exec) => {
    exec('delete from moved');
    exec('insert into moved (place) values (?)', place);
    exec(
      `create trigger if not exists closed before insert on events begin select raise(abort, 'moved'); end`,
    );
  });

export const reopenStore = (path: string): void =>
  change(path, (exec) => {
    exec('drop trigger if exists closed');
    exec('delete from moved');
  });
