/** Reads the environment, starts the roles that it names, stops them on a signal. */
import { DataFolderError } from './adapters/data-folder.ts';
import { jsonLog, systemClock, systemRandomness } from './adapters/system.ts';
import { EnvironmentError, readEnvironment } from './compose/environment.ts';
import { StoreUnavailable } from './ports/event-store.ts';
import { Misfit, startServer } from './compose/server.ts';
import { VaultUnavailable } from './ports/vault.ts';

const fail = (error: unknown): never => {
  const expected =
    error instanceof EnvironmentError ||
    error instanceof DataFolderError ||
    error instanceof Misfit ||
    error instanceof StoreUnavailable ||
    error instanceof VaultUnavailable ||
    (error instanceof Error && /^port \d+/.test(error.message));
  console.error(
    `orderfold cannot start: ${expected ? error.message : ((error as Error)?.stack ?? String(error))}`,
  );
  process.exit(1);
};

try {
  const environment = readEnvironment(process.env);
  const system = { clock: systemClock, randomness: systemRandomness, log: jsonLog(environment.LOG_LEVEL) };
  const { url, dataFolder, seeded, close } = await startServer(environment, system);

  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    close().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);

  console.log(
    url === undefined
      ? `orderfold is running (${environment.ROLES.join(', ')})`
      : `orderfold is serving at ${url}  (API description: ${url}/openapi.json)`,
  );
  console.log(`Data: ${dataFolder}${seeded > 0 ? `  (new: a demo shop of ${seeded} products)` : ''}`);
  console.log('Stop: Ctrl+C');
} catch (error) {
  fail(error);
}
