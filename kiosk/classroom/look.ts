/**
 * What every element of the kiosk's screen looks like before it looks like itself.
 *
 * [Note: Styles are set as properties] The page's policy is `style-src 'self'`: a style attribute is
 * refused, and Lit's styleMap writes one at its first rendering. So a computed style is bound as a
 * property, `.style=${'...'}`, which the policy allows.
 */
import { css } from 'lit'

export const look = css`
  :host {
    display: block;
    box-sizing: border-box;
    min-width: 0;
    min-height: 0;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  p,
  ul,
  ol,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  ul {
    list-style: none;
  }
  .name {
    text-align: left;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
`
