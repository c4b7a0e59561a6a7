import { describe, expect, it } from 'vitest';
import { startGatewayProcess } from './gateway-process.ts';

describe('the gateway as a process', () => {
  it('starts, answers and stops with exit code 0', async () => {
    const gateway = await startGatewayProcess();
    expect((await gateway.api('GET', '/readyz')).status).toBe(200);
    expect((await gateway.api('GET', '/v1/sources')).body).toEqual({ data: [], next_cursor: null });
    expect(await gateway.stop()).toBe(0);
  });
});
