"""What readers are told of an invoice, a customer and a subscription; a new version only when that changes."""

from recoup_events.values import Collection, InvoiceStatus, SubscriptionStatus
from recoup_gateway_adapter.facts.domain.records import (
    CustomerRecord,
    InvoiceRecord,
    Key,
    Kind,
    Known,
    SubscriptionRecord,
)

Content = tuple[object, ...]

Snapshot = InvoiceRecord | CustomerRecord | SubscriptionRecord


def contents(known: Known) -> dict[Key, Content]:
    """Give what readers know of each object that has been told to them."""
    return {key: content(record) for key, record in snapshots(known).items() if record.version}


def snapshots(known: Known) -> dict[Key, Snapshot]:
    """Give the records that are told as snapshots."""
    return {
        **{(Kind.INVOICE, name): invoice for name, invoice in known.invoices.items()},
        **{(Kind.CUSTOMER, name): customer for name, customer in known.customers.items()},
        **{(Kind.SUBSCRIPTION, name): found for name, found in known.subscriptions.items()},
    }


def content(record: Snapshot) -> Content:
    """Give what readers are told."""
    match record:
        case InvoiceRecord():
            invoice = record.invoice
            told: tuple[object, ...] = (
                invoice.customer_id,
                invoice.number,
                invoice.subscription_id,
                InvoiceStatus(invoice.status),
                invoice.owed,
                Collection(invoice.collection),
                invoice.collected_by_gateway,
            )
            return told
        case CustomerRecord():
            return (record.customer,)
        case SubscriptionRecord():
            return (SubscriptionStatus(record.subscription.status), record.subscription)


def renew(known: Known, before: dict[Key, Content]) -> list[Snapshot]:
    """Count a version for each object that reads differently than before; give those, whose owner is known."""
    changed = []
    for key, record in sorted(snapshots(known).items()):
        if isinstance(record, InvoiceRecord) and record.invoice.customer_id is None:
            continue
        if key not in before or before[key] != content(record):
            record.version += 1
            known.touched.add(key)
            changed.append(record)
    return changed
