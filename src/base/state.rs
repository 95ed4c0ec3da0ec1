//! The states and union territories of India by their GST codes.
//!
//! Source: the GST state code list of the Goods and Services Tax Network (first two digits of a GSTIN). 25 and 28 are retired (merged into 26,
//! now 37); 97 is "other territory"; 99 is the Centre's jurisdiction, which appears in registrations of foreign online services.

/// Code and name, ordered by code.
pub const STATES: [(&str, &str); 37] = [
    ("01", "Jammu and Kashmir"),
    ("02", "Himachal Pradesh"),
    ("03", "Punjab"),
    ("04", "Chandigarh"),
    ("05", "Uttarakhand"),
    ("06", "Haryana"),
    ("07", "Delhi"),
    ("08", "Rajasthan"),
    ("09", "Uttar Pradesh"),
    ("10", "Bihar"),
    ("11", "Sikkim"),
    ("12", "Arunachal Pradesh"),
    ("13", "Nagaland"),
    ("14", "Manipur"),
    ("15", "Mizoram"),
    ("16", "Tripura"),
    ("17", "Meghalaya"),
    ("18", "Assam"),
    ("19", "West Bengal"),
    ("20", "Jharkhand"),
    ("21", "Odisha"),
    ("22", "Chhattisgarh"),
    ("23", "Madhya Pradesh"),
    ("24", "Gujarat"),
    ("26", "Dadra and Nagar Haveli and Daman and Diu"),
    ("27", "Maharashtra"),
    ("29", "Karnataka"),
    ("30", "Goa"),
    ("31", "Lakshadweep"),
    ("32", "Kerala"),
    ("33", "Tamil Nadu"),
    ("34", "Puducherry"),
    ("35", "Andaman and Nicobar Islands"),
    ("36", "Telangana"),
    ("37", "Andhra Pradesh"),
    ("38", "Ladakh"),
    ("97", "Other Territory"),
];

/// The name of a state code, or `None` when there is no such code.
#[must_use]
pub fn name(code: &str) -> Option<&'static str> {
    STATES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// Checks a state code that somebody typed.
///
/// # Errors
/// A sentence for that person.
pub fn parse(code: &str) -> Result<String, String> {
    match name(code) {
        Some(_) => Ok(code.to_owned()),
        None => Err("A state is given by its two-digit GST code, such as 27 for Maharashtra.".to_owned()),
    }
}
