import { expect, it } from 'vitest';
import { RecordingLogger } from './recording-logger.ts';

it('keeps level, event, fields and error of each line, in order', () => {
  const logger = new RecordingLogger();
  const error = new Error('no');
  const fields: Record<string, number> = { attempt: 1 };
  logger.debug('delivery.attempted', fields);
  fields['attempt'] = 2;
  logger.info('event.accepted');
  logger.warn('delivery.attempted', fields);
  logger.error('delivery.died', { reason: 'gone' }, error);

  expect(logger.lines).toEqual([
    { level: 'debug', event: 'delivery.attempted', fields: { attempt: 1 }, error: undefined },
    { level: 'info', event: 'event.accepted', fields: {}, error: undefined },
    { level: 'warn', event: 'delivery.attempted', fields: { attempt: 2 }, error: undefined },
    { level: 'error', event: 'delivery.died', fields: { reason: 'gone' }, error },
  ]);
  expect(logger.of('delivery.attempted')).toEqual([{ attempt: 1 }, { attempt: 2 }]);
  expect(logger.of('nothing.happened')).toEqual([]);
});
