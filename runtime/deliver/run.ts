import { consume, type ConsumeOptions, type RunningConsumer } from './consume.ts';
import { runSchedule } from './schedule.ts';

const DUE_AT_ONCE = 256;

/** Runs a consumer with all that it declares beside its handling: its schedules, and what it listens to. */
export const runConsumer = async (options: ConsumeOptions): Promise<RunningConsumer> => {
  const { consumer, books, clock, logger } = options;
  const running = await consume(options);
  const schedules = (consumer.schedules ?? []).map(({ name, onDue }) =>
    runSchedule({ books, clock, logger, name, batch: DUE_AT_ONCE, onDue }),
  );
  const listening = consumer.listen?.();
  return {
    ...running,
    async close() {
      await listening?.stop();
      await running.close();
      await Promise.all(schedules.map((schedule) => schedule.close()));
    },
  };
};
