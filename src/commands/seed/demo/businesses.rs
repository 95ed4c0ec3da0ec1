//! The two businesses of the demo data: what is particular to each.

/// How many rows a business has.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub companies: usize,
    pub contacts: usize,
    pub deals: usize,
    pub tasks: usize,
    pub activities: usize,
}

/// A town: its name, the GST code of its state and the first three digits of its postal codes.
pub type Town = (&'static str, &'static str, &'static str);

/// Something that is sold: what a deal about it is called, and what such a deal is usually worth in rupees.
pub type Product = (&'static str, i64);

/// A member: name, the part of the e-mail address before the `@`, role, and the weight with which contacts and deals are given to her.
pub type Member = (&'static str, &'static str, &'static str, i64);

/// A business to make up data for.
#[derive(Debug)]
pub struct Business {
    pub name: &'static str,
    /// Its e-mail domain.
    pub domain: &'static str,
    /// The identifier of its organization, which never changes: by it a second seed finds the first.
    pub id: u128,
    pub seed: u64,
    pub state_code: &'static str,
    pub pan: &'static str,
    pub sizes: Sizes,
    /// How much business each calendar month brings, from January.
    pub months: [i64; 12],
    pub team: &'static [Member],
    pub towns: &'static [(Town, i64)],
    pub given_names: &'static [&'static str],
    pub surnames: &'static [&'static str],
    /// The first digits of mobile numbers of the region.
    pub mobile_prefixes: &'static [&'static str],
    pub company_names: &'static [&'static str],
    pub company_kinds: &'static [(&'static str, &'static str)],
    pub products: &'static [Product],
    pub tags: &'static [&'static str],
}

/// Both businesses.
pub const BUSINESSES: [&Business; 2] = [&SHARMA, &NILGIRI];

/// A textile wholesaler in Mumbai: festivals and weddings make its autumn.
const SHARMA: Business = Business {
    name: "Sharma Textiles",
    domain: "sharma.example",
    id: 0x0194_2048_6c00_7a5e_8a5e_5a11_2e70_0001,
    seed: 27,
    state_code: "27",
    pan: "AAJCS4821K",
    sizes: Sizes { companies: 90, contacts: 1_200, deals: 1_800, tasks: 3_000, activities: 3_600 },
    months: [95, 90, 85, 80, 85, 70, 75, 110, 140, 165, 145, 115],
    team: &[
        ("Rajesh Sharma", "owner", "OWNER", 10),
        ("Meera Joshi", "admin", "ADMIN", 0),
        ("Vikram Deshpande", "manager", "MANAGER", 20),
        ("Priya Patil", "sales", "SALES", 40),
        ("Arjun Shah", "arjun", "SALES", 30),
        ("Sunita Kulkarni", "support", "SUPPORT", 0),
        ("Anil Mehta", "finance", "FINANCE", 0),
        ("Kavita Rane", "viewer", "VIEWER", 0),
    ],
    towns: &[
        (("Mumbai", "27", "400"), 30),
        (("Pune", "27", "411"), 14),
        (("Nagpur", "27", "440"), 6),
        (("Nashik", "27", "422"), 6),
        (("Thane", "27", "400"), 8),
        (("Surat", "24", "395"), 10),
        (("Ahmedabad", "24", "380"), 8),
        (("Jaipur", "08", "302"), 5),
        (("Indore", "23", "452"), 4),
        (("New Delhi", "07", "110"), 4),
        (("Bengaluru", "29", "560"), 3),
        (("Panaji", "30", "403"), 2),
    ],
    given_names: &[
        "Aarav", "Aditi", "Ajay", "Akshay", "Amit", "Amruta", "Anjali", "Ashok", "Bhavna", "Chetan", "Deepak", "Dhruv", "Dipti", "Farhan", "Gaurav",
        "Harish", "Heena", "Ishita", "Jignesh", "Kiran", "Komal", "Mahesh", "Manish", "Mansi", "Mukesh", "Neha", "Nikhil", "Nilesh", "Pooja", "Prakash",
        "Pranav", "Rahul", "Rekha", "Ritu", "Rohan", "Sachin", "Salma", "Sandeep", "Sanjay", "Shreya", "Snehal", "Swati", "Tejas", "Usha", "Varsha",
        "Vijay", "Yash", "Zoya",
    ],
    surnames: &[
        "Agarwal", "Bhosale", "Chavan", "Chopra", "Dalal", "Desai", "Fernandes", "Gaikwad", "Gandhi", "Gupta", "Iyer", "Jadhav", "Jain", "Kadam",
        "Kapoor", "Khan", "Kulkarni", "Malhotra", "Mehta", "More", "Naik", "Parekh", "Patel", "Pawar", "Sawant", "Shah", "Shaikh", "Shinde", "Thakkar",
        "Trivedi", "Verma", "Wagh",
    ],
    mobile_prefixes: &["98200", "98210", "98670", "99300", "98220", "98900", "98250", "98980"],
    company_names: &[
        "Ganesh", "Laxmi", "Shivaji", "Mahalaxmi", "Krishna", "Radhika", "Sai", "Navrang", "Rangoli", "Swastik", "Padmavati", "Vaishnavi", "Heritage",
        "Suvarna", "Jai Bhavani", "Anand", "Royal", "Kohinoor", "Chandan", "Bandhani",
    ],
    company_kinds: &[
        ("Fashions", "Apparel retail"),
        ("Sarees", "Apparel retail"),
        ("Garments Pvt Ltd", "Garment manufacturing"),
        ("Exports", "Textile export"),
        ("Furnishings", "Home furnishing"),
        ("Uniforms", "Uniforms"),
    ],
    products: &[
        ("Cotton shirting", 85_000),
        ("Silk sarees, festive lot", 240_000),
        ("School uniform cloth", 160_000),
        ("Linen for hotel", 310_000),
        ("Georgette prints", 70_000),
        ("Bed sheets, 200 sets", 120_000),
        ("Wedding collection", 420_000),
        ("Denim, 1,000 m", 210_000),
        ("Curtain fabric", 55_000),
        ("Dupattas, assorted", 38_000),
    ],
    tags: &["wholesale", "retail", "export", "festive", "wedding", "uniforms", "vip", "credit-30", "samples-sent"],
};

/// A maker of organic food in Coimbatore: gifts before Diwali, Christmas and Pongal.
const NILGIRI: Business = Business {
    name: "Nilgiri Organics",
    domain: "nilgiri.example",
    id: 0x0194_2048_6c00_7b1f_8b1f_0417_61a1_0002,
    seed: 33,
    state_code: "33",
    pan: "AAGCN7316P",
    sizes: Sizes { companies: 60, contacts: 800, deals: 1_200, tasks: 2_000, activities: 2_400 },
    months: [130, 95, 85, 90, 80, 85, 90, 95, 110, 145, 120, 140],
    team: &[
        ("Lakshmi Narayanan", "owner", "OWNER", 15),
        ("Karthik Subramanian", "manager", "MANAGER", 20),
        ("Divya Ramesh", "sales", "SALES", 40),
        ("Joseph Kurian", "joseph", "SALES", 25),
        ("Revathi Mohan", "support", "SUPPORT", 0),
        ("Ganesh Babu", "finance", "FINANCE", 0),
        ("Anitha Selvam", "viewer", "VIEWER", 0),
    ],
    towns: &[
        (("Coimbatore", "33", "641"), 26),
        (("Chennai", "33", "600"), 24),
        (("Udhagamandalam", "33", "643"), 8),
        (("Madurai", "33", "625"), 7),
        (("Salem", "33", "636"), 5),
        (("Bengaluru", "29", "560"), 12),
        (("Mysuru", "29", "570"), 4),
        (("Kochi", "32", "682"), 6),
        (("Hyderabad", "36", "500"), 4),
        (("Puducherry", "34", "605"), 2),
        (("Mumbai", "27", "400"), 2),
    ],
    given_names: &[
        "Abirami", "Anand", "Anitha", "Aravind", "Arun", "Balaji", "Bhuvana", "Chitra", "Deepa", "Dinesh", "Durga", "Elango", "Fathima", "Gayathri",
        "Gopal", "Harini", "Ilango", "Jayanthi", "John", "Kala", "Kavitha", "Krishnan", "Lavanya", "Mani", "Mary", "Meenakshi", "Murali", "Nandini",
        "Nithya", "Padma", "Prabhu", "Priya", "Raja", "Ramya", "Ravi", "Saranya", "Senthil", "Shanthi", "Siva", "Sridhar", "Suresh", "Thomas", "Uma",
        "Vasanth", "Vidya", "Vignesh", "Yamuna", "Yusuf",
    ],
    surnames: &[
        "Annamalai", "Arumugam", "Balakrishnan", "Chandran", "Duraisamy", "Ganesan", "Govindan", "Iyengar", "Iyer", "Jayaraman", "Kannan", "Krishnamurthy",
        "Kumar", "Mathew", "Menon", "Murugan", "Nair", "Natarajan", "Palani", "Pandian", "Pillai", "Prabhakar", "Raghavan", "Rajan", "Raman", "Reddy",
        "Sekar", "Shankar", "Sundaram", "Swamy", "Varghese", "Venkatesan",
    ],
    mobile_prefixes: &["98400", "98410", "94430", "94440", "98430", "98450", "98470", "98940"],
    company_names: &[
        "Annapoorna", "Bhavani", "Blue Hills", "Cauvery", "Dhanya", "Everfresh", "Green Leaf", "Kaveri", "Kurinji", "Malar", "Marutham", "Mullai", "Nandini",
        "Pasumai", "Pothigai", "Saravana", "Sri Murugan", "Thamarai", "Vaigai", "Wellness First",
    ],
    company_kinds: &[
        ("Stores", "Grocery retail"),
        ("Supermarket", "Grocery retail"),
        ("Hotels", "Hospitality"),
        ("Foods Pvt Ltd", "Food processing"),
        ("Wellness", "Health and wellness"),
        ("Traders", "Wholesale"),
    ],
    products: &[
        ("Nilgiri tea, 100 kg", 62_000),
        ("Wild honey, 200 jars", 48_000),
        ("Millet hampers", 35_000),
        ("Diwali gift boxes", 140_000),
        ("Cold-pressed oils", 55_000),
        ("Spice subscription", 28_000),
        ("Hotel breakfast supply", 190_000),
        ("Pepper and cardamom, bulk", 125_000),
        ("Organic vegetables, monthly", 80_000),
        ("Coffee beans, 250 kg", 175_000),
    ],
    tags: &["wholesale", "retail", "gifting", "subscription", "hotel", "tea", "spices", "vip", "credit-15", "organic-certified"],
};
