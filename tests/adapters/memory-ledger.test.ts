import { memoryLedger } from '../../adapters/memory/ledger.ts';
import { ledgerContract } from '../contracts/ledger.ts';

ledgerContract('memory', async () => {
  const ledger = memoryLedger();
  return { port: ledger, close: ledger.close };
});
