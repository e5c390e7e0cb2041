const sheet = document.createElement("style");
sheet.textContent = acme.styles;
document.head.append(sheet);
