import { join } from 'node:path';
import { openSqliteLedger } from '../../adapters/sqlite/ledger.ts';
import { ledgerContract } from '../contracts/ledger.ts';
import { inFolder } from './sqlite-folder.ts';

ledgerContract('sqlite', async () => {
  const { adapter, close } = await inFolder((folder) =>
    openSqliteLedger({ path: join(folder, 'simulated.db') }),
  );
  return { port: adapter, close };
});
