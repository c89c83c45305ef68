import { openLmdbLedger } from '../../adapters/lmdb/ledger.ts';
import { ledgerContract } from '../contracts/ledger.ts';
import { inFolder } from './lmdb-folder.ts';

ledgerContract('lmdb', async () => {
  const { adapter, close } = await inFolder(openLmdbLedger);
  return { ledger: adapter, close };
});
