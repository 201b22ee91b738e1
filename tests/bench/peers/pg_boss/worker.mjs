// Worker of pg-boss for the bench: each job appends its number and the microsecond at which its handler ran.
//
//   worker.mjs migrate [option=value ...]
//   worker.mjs work <file> <name> [option=value ...]
//
// Options: pollingIntervalSeconds, batchSize, localConcurrency, burstWhenBatchFull (1) of work();
// superviseIntervalSeconds, monitorIntervalSeconds of the instance; expireInSeconds of the queue; sleep (ms in the
// handler). Without an option pg-boss's own default holds.
import { openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { PgBoss } from 'pg-boss'

const QUEUE = 'tick'
const [task, ...rest] = process.argv.slice(2)
const wanted = Object.fromEntries(
  rest.filter(one => one.includes('=')).map(one => one.split('=')).map(([name, value]) => [name, Number(value)])
)
const those = names => Object.fromEntries(names.filter(name => name in wanted).map(name => [name, wanted[name]]))

const boss = new PgBoss({
  connectionString: process.env.DATABASE_URL,
  ...those(['superviseIntervalSeconds', 'monitorIntervalSeconds'])
})
boss.on('error', error => console.error(error))
await boss.start()

if (task === 'migrate') {
  await boss.createQueue(QUEUE)
  await boss.stop({ graceful: false })
  process.exit(0)
}

if ('expireInSeconds' in wanted) await boss.updateQueue(QUEUE, those(['expireInSeconds']))
const fires = openSync(rest[0], 'a')
const options = those(['pollingIntervalSeconds', 'batchSize', 'localConcurrency'])
if (wanted.burstWhenBatchFull) options.burstWhenBatchFull = true
await boss.work(QUEUE, options, async jobs => {
  for (const job of jobs) {
    writeSync(fires, `${job.data.number} ${Math.round((performance.timeOrigin + performance.now()) * 1000)}\n`)
  }
  if (wanted.sleep) await pause(wanted.sleep)
})
