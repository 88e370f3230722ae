/** Signing in, one's own account, and the office's list of accounts. */
import { z } from 'zod'
import { Account, AccountId, AccountRequest, Accounts, NewAccount, NewAccountRequest, PasswordRequest, RecoveryCodes, SecondFactorConfirmation, SecondFactorRemoval, SecondFactorRequest, SecondFactorStart, SignInWays, Token, TokenRequest } from '#contract/account'
import { Session, SignIn } from '#contract/people'
import { PEOPLE } from '../identity.ts'
import { EVERYBODY } from './operation.ts'
import type { Operation } from './operation.ts'

const account = z.object({ account_id: AccountId })
const OFFICE = ['office'] as const
const AGAIN = 'Wants the password once more: a screen left open is not its owner.'

export const ACCOUNTS: readonly Operation[] = [
  { method: 'get', path: '/api/v1/sign-in', summary: 'Which ways in there are', who: EVERYBODY, answers: { 200: { says: 'The ways.', schema: SignInWays, example: { school_login: false } } }, example: {} },
  {
    method: 'post',
    path: '/api/v1/session',
    summary: 'Sign in',
    more: 'Guessing is slowed down: 429 says when to try again.',
    who: EVERYBODY,
    body: SignIn,
    answers: { 200: { says: 'Who is signed in now.', schema: Session, headers: { 'Set-Cookie': 'The session.' } } },
    problems: ['unauthorized', 'second_factor', 'forbidden'],
  },
  { method: 'get', path: '/api/v1/session', summary: 'Who is signed in', who: PEOPLE, answers: { 200: { says: 'Who it is.', schema: Session } } },
  { method: 'delete', path: '/api/v1/session', summary: 'Sign out', who: PEOPLE, answers: { 204: { says: 'Signed out.', headers: { 'Set-Cookie': 'Takes the session away.' } } } },
  {
    method: 'post',
    path: '/api/v1/token',
    summary: 'A short token for one\'s own program',
    more: 'By a session, without a body; or by name and password, without an Authorization header.',
    who: EVERYBODY,
    body: TokenRequest,
    bodyOptional: true,
    answers: { 200: { says: 'The token, for 15 minutes.', schema: Token } },
    problems: ['unauthorized', 'second_factor', 'forbidden', 'fenced'],
  },
  {
    method: 'get',
    path: '/api/v1/school-login',
    summary: 'Sign in at the school\'s own login',
    more: 'An address for a browser to go to.',
    who: EVERYBODY,
    answers: { 302: { says: 'To the login, or back to the page with what is wrong.', headers: { 'Location': 'Where to go.', 'Set-Cookie': 'What the way back is told by.' } } },
    problems: ['not_found', 'forbidden'],
  },
  { method: 'get', path: '/api/v1/school-login/callback', summary: 'The way back from the school\'s own login', who: EVERYBODY, answers: { 302: { says: 'To the app, signed in, or with what is wrong.', headers: { 'Location': 'Where to go.', 'Set-Cookie': 'The session.' } } }, problems: ['not_found'] },
  { method: 'get', path: '/api/v1/account', summary: 'One\'s own account', who: PEOPLE, answers: { 200: { says: 'The account.', schema: Account } } },
  { method: 'put', path: '/api/v1/account/password', summary: 'Change one\'s password', more: `${AGAIN} Every other session and token of the account ends.`, who: PEOPLE, body: PasswordRequest, answers: { 200: { says: 'The account.', schema: Account } } },
  { method: 'post', path: '/api/v1/account/second-factor', summary: 'Begin to set up a second factor', more: AGAIN, who: PEOPLE, body: SecondFactorRequest, answers: { 200: { says: 'The secret, told this once.', schema: SecondFactorStart } }, problems: ['conflict'] },
  { method: 'put', path: '/api/v1/account/second-factor', summary: 'The first code: from now on it counts', who: PEOPLE, body: SecondFactorConfirmation, answers: { 200: { says: 'The recovery codes, told this once.', schema: RecoveryCodes } }, problems: ['conflict'] },
  { method: 'post', path: '/api/v1/account/second-factor/removal', summary: 'Do without the second factor', more: AGAIN, who: PEOPLE, body: SecondFactorRemoval, answers: { 200: { says: 'The account.', schema: Account } }, problems: ['conflict'] },
  { method: 'get', path: '/api/v1/accounts', summary: 'All accounts', who: OFFICE, answers: { 200: { says: 'By name.', schema: Accounts } } },
  { method: 'post', path: '/api/v1/accounts', summary: 'Make an account', who: OFFICE, body: NewAccountRequest, answers: { 201: { says: 'The account, and its password, told this once.', schema: NewAccount } }, problems: ['conflict', 'not_found'] },
  { method: 'put', path: '/api/v1/accounts/{account_id}', summary: 'Change an account', more: 'Another role, or disabling, ends every session and token.', who: OFFICE, params: account, body: AccountRequest, answers: { 200: { says: 'The account as it now is.', schema: Account } }, problems: ['conflict', 'not_found'] },
  { method: 'post', path: '/api/v1/accounts/{account_id}/password', summary: 'A new password for who has lost theirs', who: OFFICE, params: account, answers: { 200: { says: 'The account, and its password, told this once.', schema: NewAccount } }, problems: ['not_found'] },
  { method: 'delete', path: '/api/v1/accounts/{account_id}/second-factor', summary: 'Take the second factor from who has lost it', who: OFFICE, params: account, answers: { 200: { says: 'The account as it now is.', schema: Account } }, problems: ['not_found'] },
  { method: 'delete', path: '/api/v1/accounts/{account_id}/sessions', summary: 'Sign an account out everywhere', who: OFFICE, params: account, answers: { 200: { says: 'The account as it now is.', schema: Account } }, problems: ['not_found'] },
]
