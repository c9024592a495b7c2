"""Names under which people are robbed most, as a beginning: it is data, and the administrator's to change."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Authorities, health, justice, police.
PUBLIC = """
Ameli, Assurance Maladie, CPAM, Carte Vitale, Vitale, CAF, Allocations, Impots, DGFiP, Tresor Public, Finances Publiques,
ANTAI, Amendes, Amende Gouv, Stationnement, Crit Air, Gouv, Gouvernement, Service Public, FranceConnect, France Travail,
Pole Emploi, URSSAF, CNAV, Agirc Arrco, MSA, Prefecture, ANTS, Police, Gendarmerie, Douane, Justice, Tribunal, Huissier,
ARS, Mairie, CPF, Mon Compte Formation, Cybermalveillance, CNIL, Arcep, ANSSI, Viginum, MyMinfin, itsme, SPF Finances,
HMRC, GOV UK, IRS, DVLA, AHV, AVS, ONSS
"""
BANKS = """
BNP Paribas, BNP, Hello bank, Societe Generale, SG, Credit Agricole, LCL, Credit Lyonnais, Credit Mutuel, CIC, Banque
Postale, La Banque Postale, Caisse d'Epargne, Banque Populaire, BPCE, HSBC, CCF, Boursorama, BoursoBank, Fortuneo, ING,
Monabanq, Orange Bank, AXA Banque, Revolut, N26, Nickel, Lydia, Sumeria, Qonto, Shine, Wise, Western Union, PayPal,
Paylib, Wero, Visa, Mastercard, American Express, Amex, Cofidis, Cetelem, Sofinco, Franfinance, Oney, Younited, Floa,
Bourse Direct, Banque de France, KBC, Belfius, Argenta, Crelan, Keytrade, UBS, PostFinance, Raiffeisen, Credit Suisse,
Spuerkeess, BIL, Barclays, Lloyds, NatWest, Santander, Monzo, Starling, Desjardins, Binance, Coinbase, Ledger
"""
DELIVERY_AND_OTHERS = """
La Poste, Colissimo, Chronopost, Mondial Relay, Relais Colis, DHL, UPS, FedEx, GLS, DPD, Bpost, PostNL, Amazon, Netflix,
Spotify, Apple, iCloud, Google, Microsoft, Facebook, Instagram, WhatsApp, Telegram, TikTok, Leboncoin, Vinted, Orange,
SFR, Bouygues, Free Mobile, Sosh, OVH, OVHcloud, EDF, Engie, TotalEnergies, Enedis, SNCF, RATP, Navigo, Ulys, Vinci,
Doctolib, Swisscom, Proximus
"""


def write_them(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    names = [name.strip() for group in (PUBLIC, BANKS, DELIVERY_AND_OTHERS) for name in group.split(",")]
    model = apps.get_model("senders", "ProtectedName")
    model.objects.using(schema_editor.connection.alias).bulk_create(
        [model(name=" ".join(name.split())) for name in names], ignore_conflicts=True
    )


class Migration(migrations.Migration):
    dependencies = [("senders", "0004_documents_changes_protected")]
    # A name that the administrator added stays when this is undone: the table goes with the migration before.
    operations = [migrations.RunPython(write_them, migrations.RunPython.noop)]
