"""/v1/products, /v1/prices and /v1/invoiceitems: as much as subscriptions and invoices need."""

from practice_gateway.api.call import Call, Route, cursor, listing
from practice_gateway.billing.periods import INTERVALS
from practice_gateway.errors import invalid_request, no_such, refused
from practice_gateway.ids import new_id
from practice_gateway.model import InvoiceItem, Line, Price, Product
from practice_gateway.params import Params, merge_metadata
from practice_gateway.wire import Wire

MAX_AMOUNT = 99_999_999  # docs.stripe.com/currencies: eight digits


async def create_product(call: Call) -> Wire:
    """POST /v1/products."""
    params = call.params
    name, metadata = params.required("name"), merge_metadata({}, params.strings("metadata"))
    params.accept("description", "active", "type", "images", "id", "default_price_data", "tax_code", "url")
    params.done()
    return call.show(_product(call, name, metadata))


def _product(call: Call, name: str, metadata: dict[str, str]) -> Product:
    product = Product(id=new_id("prod", 14), created=call.act.now, name=name, metadata=metadata)
    call.act.emit("product.created", product)
    return call.account.products.add(product)


async def retrieve_product(call: Call) -> Wire:
    """GET /v1/products/{id}."""
    return call.show(call.one("product", call.account.products))


async def create_price(call: Call) -> Wire:
    """POST /v1/prices."""
    metadata = merge_metadata({}, call.params.strings("metadata"))
    price = _new_price(call, call.params)
    call.params.accept("nickname", "lookup_key", "active", "billing_scheme")
    call.params.done()
    price.metadata = metadata
    return call.show(price)


async def retrieve_price(call: Call) -> Wire:
    """GET /v1/prices/{id}."""
    return call.show(call.one("price", call.account.prices))


async def list_prices(call: Call) -> Wire:
    """GET /v1/prices."""
    wanted = call.params.text("product")
    found = (item for item in call.account.prices.newest_first() if wanted in (None, item.product))
    return listing(call, "/v1/prices", found, cursor(call.params))


def price_of(call: Call, item: Params) -> Price:
    """Return the price that an item names, or make the one that it describes (`price_data`).

    Raises:
        StripeError: 400, neither, or no such price.
    """
    wanted = item.text("price") or item.text("plan")
    if wanted is not None:
        price = call.account.prices.get(wanted)
        if price is None:
            raise no_such("price", wanted, "items[0][price]")
        return price
    return _new_price(call, item.nested("price_data"))


def _new_price(call: Call, params: Params) -> Price:
    currency = params.required("currency").lower()
    amount = params.integer("unit_amount", least=0, most=MAX_AMOUNT)
    recurring = params.nested("recurring")
    interval = recurring.one_of("interval", INTERVALS)
    count = recurring.integer("interval_count", least=1, most=365) or 1
    recurring.accept("usage_type")
    params.accept("tax_behavior")
    described = params.nested("product_data")
    described.accept("metadata", "statement_descriptor")
    name = described.text("name")
    if amount is None:
        raise invalid_request("Missing required param: unit_amount.", code="parameter_missing")
    if name is not None:
        product = _product(call, name, {})
    else:
        wanted = params.required("product")
        found = call.account.products.get(wanted)
        if found is None:
            raise no_such("product", wanted, "product")
        product = found
    price = Price(
        id=new_id("price"),
        created=call.act.now,
        product=product.id,
        currency=currency,
        unit_amount=amount,
        interval=interval,
        interval_count=count,
    )
    call.act.emit("price.created", price)
    return call.account.prices.add(price)


async def create_item(call: Call) -> Wire:
    """POST /v1/invoiceitems: waits for the next invoice, or goes on a draft."""
    params = call.params
    customer = call.required_customer()
    invoice = call.named("invoice", call.account.invoices, "invoice")
    amount = params.integer("amount", least=-MAX_AMOUNT, most=MAX_AMOUNT)
    currency = params.text("currency") or (invoice.currency if invoice else customer.currency)
    description, metadata = params.text("description"), merge_metadata({}, params.strings("metadata"))
    params.done()
    if amount is None or currency is None:
        missing = "amount" if amount is None else "currency"
        raise invalid_request(f"Missing required param: {missing}.", code="parameter_missing", param=missing)
    if invoice is not None and (invoice.status != "draft" or invoice.currency != currency):
        raise refused("This invoice is no longer editable.", code="invoice_not_editable")
    item = InvoiceItem(
        id=new_id("ii"),
        created=call.act.now,
        customer=customer.id,
        amount=amount,
        currency=currency,
        description=description,
        invoice=invoice.id if invoice else None,
        metadata=metadata,
    )
    call.account.invoice_items.add(item)
    if invoice is not None:
        invoice.lines.append(
            Line(
                id=new_id("il"),
                amount=amount,
                description=description or "Item",
                period_start=item.created,
                period_end=item.created,
                invoice_item=item.id,
            )
        )
    call.act.emit("invoiceitem.created", item)
    return call.show(item)


ROUTES: list[Route] = [
    ("POST", "/v1/products", create_product),
    ("GET", "/v1/products/{id}", retrieve_product),
    ("POST", "/v1/prices", create_price),
    ("GET", "/v1/prices", list_prices),
    ("GET", "/v1/prices/{id}", retrieve_price),
    ("POST", "/v1/invoiceitems", create_item),
]
