// The query a newcomer finds in the first tab.

export const DEFAULT_QUERY = `# Welcome to PayAid GraphQL.
#
# Sign in at the top right, then press the
# play button (or Ctrl-Enter). This query asks
# who you are, and reads the first page of your
# contacts with up to three deals of each.
#
# Things to try:
#  - Ctrl-Space offers the fields that fit.
#  - Ctrl-click (or Cmd-click) a field to read
#    its documentation.
#  - Ask for more: change \`first: 5\`.

query FirstLook {
  viewer {
    user {
      name
    }
    organization {
      name
    }
    role
  }
  contacts(first: 5) {
    totalCount
    nodes {
      id
      name
      email
      stage
      deals(first: 3) {
        nodes {
          title
          value {
            amount
            currency
          }
        }
      }
    }
  }
}
`;
