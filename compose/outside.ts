/** The outside world: simulated payment and warehouse with their ledgers on disk, mail, the figures' sink. */
import { openFileSink, openHttpSink } from '../adapters/analytics-sink.ts';
import type { DataFolder } from '../adapters/lmdb/data-folder.ts';
import { openMailer } from '../adapters/mail.ts';
import {
  openSimulatedPaymentGateway,
  type SimulatedPaymentGateway,
} from '../adapters/simulated/payment-gateway.ts';
import { openSimulatedWarehouse, type SimulatedWarehouse } from '../adapters/simulated/warehouse.ts';
import type { AnalyticsSink } from '../ports/analytics-sink.ts';
import type { Mailer } from '../ports/mailer.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import type { Environment } from './environment.ts';

export type Outside = Readonly<{
  gateway: SimulatedPaymentGateway;
  warehouse: SimulatedWarehouse;
  mailer: Mailer;
  sink: AnalyticsSink;
  close(): Promise<void>;
}>;

export const openOutside = (
  environment: Environment,
  folder: DataFolder,
  system: Readonly<{ clock: Clock; randomness: Randomness; log: Log }>,
): Outside => {
  const { clock, randomness, log } = system;
  const gateway = openSimulatedPaymentGateway({
    folder: folder.subfolder('simulated/payment'),
    clock,
    randomness,
    latencyMs: environment.SIM_PAYMENT_LATENCY_MS,
    declineRate: environment.SIM_PAYMENT_DECLINE_RATE,
    failureRate: environment.SIM_PAYMENT_FAILURE_RATE,
    unknownRate: environment.SIM_PAYMENT_UNKNOWN_RATE,
    actionUrl: `http://${environment.HOST}:${environment.PORT}/simulated-bank`,
  });
  const warehouse = openSimulatedWarehouse({
    folder: folder.subfolder('simulated/warehouse'),
    clock,
    randomness,
    log,
    latencyMs: environment.SIM_WAREHOUSE_LATENCY_MS,
    failureRate: environment.SIM_WAREHOUSE_FAILURE_RATE,
  });
  const mail = {
    from: environment.MAIL_FROM,
    clock,
    randomness,
    failureRate: environment.SIM_MAIL_FAILURE_RATE,
  };
  const mailer = openMailer(
    environment.SMTP_URL === undefined
      ? { ...mail, outboxFolder: folder.subfolder('outbox') }
      : { ...mail, smtpUrl: environment.SMTP_URL },
  );
  const sink =
    environment.ANALYTICS_URL === undefined
      ? openFileSink({ folder: folder.subfolder('analytics') })
      : openHttpSink({ url: environment.ANALYTICS_URL });
  return {
    gateway,
    warehouse,
    mailer,
    sink,
    async close() {
      await warehouse.close();
      await gateway.close();
      await sink.close();
    },
  };
};
