/** The world outside: who is paid by, who sends, who is told. */
import { openFileSink, openHttpSink } from '../adapters/analytics-sink.ts';
import type { DataFolder } from '../adapters/data-folder.ts';
import { openMailer } from '../adapters/mail.ts';
import type { Ledger } from '../adapters/simulated/ledger.ts';
import { remoteOutside } from '../adapters/simulated/over-http.ts';
import { simulatedPaymentGateway } from '../adapters/simulated/payment-gateway.ts';
import { simulatedWarehouse } from '../adapters/simulated/warehouse.ts';
import { openSqliteLedger } from '../adapters/sqlite/ledger.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import type { Outside } from '../shop/handed.ts';
import type { Environment } from './environment.ts';

export type System = Readonly<{ clock: Clock; randomness: Randomness; log: Log }>;
export type OpenOutside = Outside & Readonly<{ close(): Promise<void> }>;

/** The simulated providers with their books in `ledger`, as slow and as unreliable as the environment has it. */
export const simulated = (environment: Environment, system: System, books: Ledger) => ({
  gateway: simulatedPaymentGateway({
    ...system,
    books,
    latencyMs: environment.SIM_PAYMENT_LATENCY_MS,
    declineRate: environment.SIM_PAYMENT_DECLINE_RATE,
    failureRate: environment.SIM_PAYMENT_FAILURE_RATE,
    unknownRate: environment.SIM_PAYMENT_UNKNOWN_RATE,
    actionUrl: `http://${environment.HOST}:${environment.PORT}/simulated-bank`,
  }),
  warehouse: simulatedWarehouse({
    ...system,
    books,
    latencyMs: environment.SIM_WAREHOUSE_LATENCY_MS,
    failureRate: environment.SIM_WAREHOUSE_FAILURE_RATE,
  }),
});

/** Simulated providers with their books in the folder, or those of the process that SIM_URL names. */
const openProviders = (environment: Environment, folder: DataFolder, system: System) => {
  const { SIM_URL: simUrl } = environment;
  if (simUrl !== undefined)
    return { ...remoteOutside({ url: simUrl, ...system }), close: async () => undefined };
  const ledger = openSqliteLedger({ path: folder.pathOf('simulated.db') });
  const { gateway, warehouse } = simulated(environment, system, ledger);
  const close = async (): Promise<void> => {
    await warehouse.close();
    await ledger.close();
  };
  return { gateway, warehouse, close };
};

/** The outside of a data folder: the providers, mail, the figures' sink. */
export const openOutside = (environment: Environment, folder: DataFolder, system: System): OpenOutside => {
  const { gateway, warehouse, close } = openProviders(environment, folder, system);
  const { MAIL_FROM: from, SMTP_URL: smtpUrl, ANALYTICS_URL: url } = environment;
  const mail = { ...system, from, failureRate: environment.SIM_MAIL_FAILURE_RATE };
  const mailer = openMailer(
    smtpUrl === undefined ? { ...mail, outboxFolder: folder.pathOf('outbox') } : { ...mail, smtpUrl },
  );
  const sink =
    url === undefined ? openFileSink({ folder: folder.pathOf('analytics') }) : openHttpSink({ url });
  return {
    gateway,
    warehouse,
    mailer,
    sink,
    async close() {
      await close();
      await sink.close();
    },
  };
};
