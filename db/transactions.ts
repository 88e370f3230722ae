/**
 * Transactions that outlive their connection's end without ending the server with it. Knows no table.
 *
 * [Note: A connection that dies in a transaction] postgres.js ends every transaction that failed with ROLLBACK, also one
 * that failed because its connection is gone (porsager/postgres issue 1208). It then writes to a socket that is
 * null, in a callback that nobody can catch, and the process ends: every server that was in a transaction when
 * PostgreSQL was killed. And the connection's place in the pool is never used again. So a transaction whose connection is lost
 * is not allowed to fail there: it is left standing, and what postgres.js tells of the lost connection is the answer.
 */
import type postgres from 'postgres'

type Body = (sql: postgres.TransactionSql) => unknown

/** Replaces `sql.begin` with one of the same shape. */
export function survivingTransactions(sql: postgres.Sql): void {
  const begin = sql.begin.bind(sql) as (options: string, body: Body) => Promise<unknown>
  const surviving = (first: string | Body, second?: Body): Promise<unknown> => {
    const body = second ?? (first as Body)
    return begin(second ? (first as string) : '', async (transaction) => {
      try {
        const made = body(transaction)
        return await (Array.isArray(made) ? Promise.all(made) : made)
      } catch (error) {
        if (!connectionIsLost(error)) throw error
        return new Promise(() => {})
      }
    })
  }
  sql.begin = surviving as typeof sql.begin
}

/** What PostgreSQL says last on a connection that it then closes, and what is said of one that closed without a word. Whatever it is, the connection's end is told next. */
function connectionIsLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  // A query builder tells of it as the cause of its own.
  if (error.cause !== undefined) return connectionIsLost(error.cause)
  if ('severity_local' in error) return 'severity' in error && error.severity !== 'ERROR'
  return 'code' in error && (error.code === 'CONNECTION_CLOSED' || 'syscall' in error)
}
