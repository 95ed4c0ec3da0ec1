//! The operations that are measured, and how many statements each may take, which the tests count.

/// An operation.
pub struct Document {
    pub text: &'static str,
    /// Statements beside those that begin and end the transaction.
    pub statements: usize,
}

pub const CONTACT: Document =
    Document { text: "query($id: ID!) { contact(id: $id) { id name email phone city stage status createdAt } }", statements: 1 };
pub const NESTED: Document = Document {
    text: "query($after: String) { contacts(first: 50, after: $after) { nodes { id name email \
            deals(first: 5, filter: {status: {eq: OPEN}}) { nodes { id title value { amount currency } expectedClose } } \
            tasks(first: 3, filter: {status: {eq: OPEN}}) { nodes { id title dueAt } } } } }",
    statements: 3,
};
pub const DASHBOARD: Document = Document {
    text: "{ dashboard { from to contactsByStage { stage count } \
            pipelineByStage { stageId stageName count value { amount currency } weightedValue { amount currency } } \
            wonByMonth { month count value { amount currency } } tasks { open overdue dueToday dueThisWeek } recentActivity { activityId subject } } }",
    statements: 5,
};
pub const SEARCH: Document =
    Document { text: "query($words: String!) { contacts(first: 20, search: $words) { nodes { id name email phone city } } }", statements: 1 };
pub const PAGE: Document = Document {
    text: "query($after: String) { contacts(first: 50, after: $after) { totalCount pageInfo { hasNextPage endCursor } \
            nodes { id name email stage city createdAt } } }",
    statements: 2,
};
pub const CREATE: Document = Document {
    text: "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { \
            contact { id name email phone city stage } userErrors { code field message } } }",
    statements: 3,
};
