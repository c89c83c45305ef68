/** `npm run backup`: copies the data folder, also beside a running server. */
import { system, systemClock } from '../adapters/system.ts';
import { backUp } from '../adapters/backup.ts';
import { readEnvironment } from '../compose/environment.ts';
import { openStoreServer } from '../compose/parts.ts';
import { contentOf, readBackupArguments } from './cli/backup-arguments.ts';
import { print, runCommand } from './cli/command-line.ts';

const HELP = `npm run backup -- FOLDER [--keys FOLDER] [--json]

Copies the data folder (DATA_DIR) into FOLDER, which is made, or empty, also beside a running server. Everything that
was acknowledged before is in it, and its parts fit together. npm run restore brings it back.

  --keys FOLDER   puts the keys (keys.db, keys/) there instead: who has events and keys can read every customer's
                  data, and keys that are kept outlive an erasure; keep them apart and only as long as you must
  --json          the last line is one JSON object: { store, madeAt, events, files, bytes }

With EVENT_STORE_URL the events are not in the folder: back up the EventStoreDB by its own means, after this.

With MONGODB_URL views, bookkeeping and keys are not in it either: back up those databases by their own means, the keys'
after the events, the others before them.

A key that is given by MASTER_KEY or MASTER_KEY_FILE is not in the folder: keep it yourself.

Exit status: 0 done, 2 for wrong use or a folder that will not do, 1 when the disk refused.`;

const main = async (): Promise<number> => {
  const given = readBackupArguments(HELP, 'backup takes one folder to copy to.');
  if (!given) return 0;
  const { folder: to, keys, json } = given;
  const environment = readEnvironment(process.env);
  const { DATA_DIR: from } = environment;
  const store = await openStoreServer(environment, system);
  await store?.close();
  const { files, ...made } = await backUp({
    from,
    to,
    ...(store ? { store: store.id } : {}),
    ...(keys === undefined ? {} : { keysTo: keys }),
    now: systemClock.now().toISOString(),
  });
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  print(
    `${contentOf(made.events)}, of ${made.madeAt}: ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB in ${to}${keys === undefined ? '' : `, the keys in ${keys}`}`,
  );
  if (made.events === null) print('Now back up the EventStoreDB: its copy must not be older than this one.');
  if (json) print(JSON.stringify({ ...made, files: files.length, bytes }));
  return 0;
};

await runCommand('backup', main, ['EnvironmentError', 'DataFolderError', 'BackupError']);
