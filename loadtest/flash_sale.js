// One flash sale: every registered user tries to book once, all at the same moment.
//
// Environment (no default where none is named):
//   BASE_URL, CLIENT_KEY, EVENT_ID
//   USERS_FILE       JSON list of user ids; iteration i books for user i
//   RUN_ID           makes the Idempotency-Keys of this run its own
//   SUMMARY_FILE     where the figures go, as JSON
//   VUS              virtual users (1000)
//   ITERATIONS       attempts (10000), closed model: every VU begins the next when one is answered
//   RATE             attempts a second, open model instead: the crowd grows over RAMP_SECONDS (5)
//                    to RATE and stays there for HOLD_SECONDS (10), however slow the answers are
//   EXPECTED_BOOKED  how many must be accepted (1000)
//   P99_MS_MAX       bound on what 99 of 100 buyers wait, connecting included (3000)
//
// Every reply becomes one line on the console: iteration, milliseconds from the start of the sale to
// the reply, milliseconds waited, status, body. With --log-format=raw --console-output=FILE that file
// loses nothing, and is what the audit tallies.

import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import { SharedArray } from 'k6/data';

const VUS = Number(__ENV.VUS || 1000);
const ITERATIONS = Number(__ENV.ITERATIONS || 10000);
const RATE = Number(__ENV.RATE || 0);
const RAMP_SECONDS = Number(__ENV.RAMP_SECONDS || 5);
const HOLD_SECONDS = Number(__ENV.HOLD_SECONDS || 10);
const EXPECTED_BOOKED = Number(__ENV.EXPECTED_BOOKED || 1000);
const P99_MS_MAX = Number(__ENV.P99_MS_MAX || 3000);

const users = new SharedArray('users', () => JSON.parse(open(__ENV.USERS_FILE)));

const attempts = RATE ? RATE * (RAMP_SECONDS / 2 + HOLD_SECONDS) : ITERATIONS;
if (users.length < attempts) {
  throw new Error(`${attempts} attempts need as many users, and there are ${users.length}`);
}

const booked = new Counter('booked');
const soldOut = new Counter('sold_out');
const errors = new Counter('errors');
const wait = new Trend('booking_wait', true);

const closedModel = {
  executor: 'shared-iterations',
  vus: VUS,
  iterations: ITERATIONS,
  maxDuration: '5m',
};
const openModel = {
  executor: 'ramping-arrival-rate',
  startRate: 0,
  timeUnit: '1s',
  preAllocatedVUs: VUS,
  maxVUs: VUS,
  stages: [
    { target: RATE, duration: `${RAMP_SECONDS}s` },
    { target: RATE, duration: `${HOLD_SECONDS}s` },
  ],
};

export const options = {
  scenarios: { flash_sale: RATE ? openModel : closedModel },
  thresholds: {
    booked: [`count==${EXPECTED_BOOKED}`],
    errors: ['count==0'],
    http_req_failed: ['rate==0'],
    booking_wait: [`p(99)<${P99_MS_MAX}`],
  },
  summaryTrendStats: ['avg', 'min', 'med', 'p(95)', 'p(99)', 'max'],
  // Only the metrics above are looked at; fewer tags leave more of the machine to the server.
  systemTags: ['status'],
};

http.setResponseCallback(http.expectedStatuses(201, 409));

const url = `${__ENV.BASE_URL}/v1/bookings`;
const headers = {
  'Content-Type': 'application/json',
  Authorization: `Bearer ${__ENV.CLIENT_KEY}`,
};

function codeOf(body) {
  try {
    return JSON.parse(body).code;
  } catch (_) {
    return undefined;
  }
}

export default function bookOnce() {
  const i = exec.scenario.iterationInTest;
  const body = `{"event_id":"${__ENV.EVENT_ID}","user_id":"${users[i]}"}`;
  const reply = http.post(url, body, {
    headers: { ...headers, 'Idempotency-Key': `${__ENV.RUN_ID}-${i}` },
  });
  const at = Date.now() - exec.scenario.startTime;
  const waited = reply.timings.blocked + reply.timings.duration;
  wait.add(waited);
  if (reply.status === 201) {
    booked.add(1);
  } else if (reply.status === 409 && codeOf(reply.body) === 'sold-out') {
    soldOut.add(1);
  } else {
    errors.add(1);
  }
  // A line must stay a line, whatever a broken server sends.
  const text = (reply.body || reply.error || '').replace(/[\r\n]+/g, ' ');
  console.log(`${i} ${at} ${waited.toFixed(3)} ${reply.status} ${text}`);
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY_FILE]: JSON.stringify(data) };
}
