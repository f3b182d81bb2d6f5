//! What the shop sells. Prices and stock belong to `pricing` and `inventory`,
//! names to `recommendation`; one table keeps them in step.

/// One product.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) sku: &'static str,
    pub(crate) name: &'static str,
    /// Price in euro cents before any discount.
    pub(crate) cents: u32,
    /// Pieces in stock; 0 shows how a page says so.
    pub(crate) n_in_stock: u32,
}

/// All products.
pub(crate) static PRODUCTS: &[Product] = &[
    product("mug", "Enamel mug", 1200, 42),
    product("cap", "Conductor's cap", 1850, 7),
    product("lamp", "Signal lamp", 4900, 3),
    product("poster", "Railway map poster", 1500, 120),
    product("whistle", "Brass whistle", 950, 0),
];

/// The product of this sku.
pub(crate) fn find(sku: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.sku == sku)
}

const fn product(sku: &'static str, name: &'static str, cents: u32, n_in_stock: u32) -> Product {
    Product { sku, name, cents, n_in_stock }
}
