/**
 * How marks are taken here: straight into PostgreSQL, or with REDIS_URL through the stream, with a recorder that stores
 * what is in it. Puts the parts together; knows none from inside.
 */
import type { Database } from '../db/connect.ts'
import { insertMarks, setAsideMarks } from '../db/marks.ts'
import type { AppParts } from './app-parts.ts'
import { createGroupCommit } from './intake/group-commit.ts'
import { queueState } from './intake/queue.ts'
import { startRecorder } from './intake/recorder.ts'
import type { StoreBatch } from './intake/store-batch.ts'
import { createStreamFirst } from './intake/stream-first.ts'
import { createStreamIntake } from './intake/stream.ts'
import type { Log } from './log.ts'
import { sharedCount } from './limits.ts'
import { connectRedis } from './redis.ts'
import type { QueueRedis } from './redis.ts'
import type { Running } from './running.ts'
import { sharedThrottles } from './sign-in-throttle.ts'

export interface IntakeOptions {
  db: Database
  running: Running
  log: Log
  now: () => Date
}

type OpenedIntake = Pick<AppParts, 'intake' | 'streamAnswers' | 'queueState' | 'makeThrottle' | 'sharedCount'>

/** `records`: a recorder runs in this process too. @throws RedisRefused */
export async function openIntake({ redisUrl, records, ...o }: IntakeOptions & { redisUrl: string | undefined; records: boolean }): Promise<OpenedIntake> {
  const redis = redisUrl === undefined ? undefined : await openRedis(redisUrl, o)
  if (redis && records) record(redis, o)
  const direct = createGroupCommit(storing(o))
  const intake = redis ? createStreamFirst({ stream: createStreamIntake({ redis, log: o.log }), direct }) : direct
  o.running.add('the intake', () => intake.drain())
  if (!redis) return { intake }
  return {
    intake,
    streamAnswers: async () => redis.isReady(),
    queueState: () => queueState(redis),
    makeThrottle: sharedThrottles(redis.client, o.log),
    sharedCount: sharedCount(redis.client),
  }
}

/** A recorder alone. @throws RedisRefused */
export async function openRecorder({ redisUrl, ...o }: IntakeOptions & { redisUrl: string }): Promise<QueueRedis> {
  const redis = await openRedis(redisUrl, o)
  record(redis, o)
  return redis
}

async function openRedis(url: string, { running, log }: IntakeOptions): Promise<QueueRedis> {
  const redis = await connectRedis(url, log)
  running.add('Redis', () => redis.close())
  return redis
}

function record(redis: QueueRedis, o: IntakeOptions): void {
  const recorder = startRecorder({ redis, ...storing(o) })
  o.running.add('the recorder', () => recorder.drain())
}

function storing({ db, log, now }: IntakeOptions): StoreBatch {
  return {
    insert: (marks) => insertMarks(db, marks, now()),
    setAside: (refused) => setAsideMarks(db, refused, now()),
    log,
  }
}
