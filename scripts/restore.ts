/** `npm run restore`: brings a backup back as a new data folder. */
import { restore } from '../adapters/backup.ts';
import { readEnvironment } from '../compose/environment.ts';
import { contentOf, readBackupArguments } from './cli/backup-arguments.ts';
import { print, runCommand } from './cli/command-line.ts';

const HELP = `npm run restore -- FOLDER [--keys FOLDER] [--json]

Brings back what npm run backup copied to FOLDER, as the data folder that DATA_DIR names, which must be missing or empty.
Every file is compared with what was backed up. Then: npm run check, and npm start.

  --keys FOLDER   where the keys are, if they were backed up apart; of a later backup of the same shop they may be, and
                  should, so that whoever was erased since then stays erased
  --json          the last line is one JSON object: { store, madeAt, events, files }

What happened after the backup is gone here, but not outside: payments, parcels and mails of that time stay known to the
provider, the warehouse and the customer.

Exit status: 0 done, 2 for wrong use or a backup that will not do, 1 when the disk refused.`;

const main = async (): Promise<number> => {
  const given = readBackupArguments(HELP, 'restore takes the folder of one backup.');
  if (!given) return 0;
  const { folder: from, keys, json } = given;
  const { DATA_DIR: to } = readEnvironment(process.env);
  const { files, ...restored } = await restore({
    from,
    to,
    ...(keys === undefined ? {} : { keysFrom: keys }),
  });
  print(
    `${contentOf(restored.events)}, of ${restored.madeAt}, are in ${to}: ${files.length} files, each as it was backed up. Next: npm run check`,
  );
  if (json) print(JSON.stringify({ ...restored, files: files.length }));
  return 0;
};

await runCommand('restore', main, ['EnvironmentError', 'DataFolderError', 'BackupError']);
